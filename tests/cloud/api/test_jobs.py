"""Jobs over REST, and the list that their device finds on its topic."""

from __future__ import annotations

import pytest

from cloud.broker.publishing import MemoryPublisher
from cloud.jobs.publishing import LateLists, publish_jobs
from cloud.store.memory import MemoryStore
from protocol import topics
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState

JOBS = "/api/v1/devices/pi-1/jobs"
PROFILE = {"network": "digits", "bundle": "b" * 64, "codecs": ["raw", "int8+zstd"], "repeats": 5}


@pytest.fixture
def registered(backend):
    backend.device("pi-1")
    return backend


def published(publisher: MemoryPublisher, device: str = "pi-1") -> list[Job]:
    return list(JobList.from_bytes(publisher.retained[topics.job(device)]).jobs)


def add(backend, **content) -> dict[str, object]:
    response = backend.call("POST", JOBS, json={"kind": "push", "parameters": {"network": "digits"}} | content)
    assert response.status_code == 201, response.get_json()
    return response.get_json()


def test_a_new_job_is_published_to_its_device(registered):
    made = add(registered, kind="profile", parameters=PROFILE, timeout_s=900)

    assert (made["state"], made["published"], made["device"]) == ("QUEUED", True, "pi-1")
    assert published(registered.publisher) == [Job(made["id"], JobKind.PROFILE, PROFILE, 900.0)]


def test_jobs_are_listed_newest_first_and_told_one_by_one(registered):
    first, second = add(registered), add(registered)

    listed = registered.call("GET", JOBS).get_json()["items"]
    page = registered.call("GET", f"{JOBS}?limit=1").get_json()
    rest = registered.call("GET", f"{JOBS}?limit=1&cursor={page['next']}").get_json()

    assert [job["id"] for job in listed] == [second["id"], first["id"]]
    assert page["items"] + rest["items"] == listed
    assert rest["next"] is None
    assert registered.call("GET", f"{JOBS}/{first['id']}").get_json() == listed[1]


def test_a_device_that_nobody_registered_has_no_list(registered):
    assert registered.call("GET", JOBS).get_json() == {"items": [], "next": None}

    response = registered.call("GET", "/api/v1/devices/nosuch/jobs")

    assert (response.status_code, response.get_json()["error"]) == (404, "device 'nosuch' is not registered")


def test_the_jobs_of_a_device_that_was_removed_are_still_listed(registered):
    job = add(registered)
    registered.call("DELETE", "/api/v1/devices/pi-1")

    assert [each["id"] for each in registered.call("GET", JOBS).get_json()["items"]] == [job["id"]]


def test_a_canceled_job_is_published_as_such_until_it_has_ended(registered):
    job = add(registered)

    response = registered.call("POST", f"{JOBS}/{job['id']}/cancel")

    assert (response.status_code, response.get_json()["cancel"]) == (200, True)
    assert [each.cancel for each in published(registered.publisher)] == [True]
    registered.store.note_job("pi-1", JobReport(job["id"], JobState.CANCELED), at=1.0)
    assert registered.call("POST", f"{JOBS}/{job['id']}/cancel").status_code == 409


def test_a_job_is_kept_while_the_broker_is_away_and_published_later(registered):
    registered.publisher.away = True
    job = add(registered)
    assert job["published"] is False

    now = [0.0]
    late = LateLists(registered.store, registered.publisher, every_s=5.0, clock=lambda: now[0])
    late.look()
    registered.publisher.away = False
    late.look()
    assert registered.publisher.retained == {}, "it is not time to look yet"
    now[0] = 5.0
    late.look()

    assert [each.id for each in published(registered.publisher)] == [job["id"]]
    assert registered.store.devices_with_unpublished_jobs() == []


def test_what_changes_while_a_list_is_published_is_published_too():
    store, publisher = MemoryStore(), MemoryPublisher()
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=1.0)
    plain = publisher.publish

    def publish(topic: str, payload: bytes) -> None:
        if not publisher.published:
            store.add_job("pi-1", Job("b", JobKind.RESTART), at=2.0)
        plain(topic, payload)

    publisher.publish = publish  # type: ignore[method-assign]
    publish_jobs(store, publisher, device="pi-1")

    assert [job.id for job in published(publisher)] == ["a", "b"]
    assert store.devices_with_unpublished_jobs() == []


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "dance"},
        {"kind": "push", "parameters": {}},
        {"kind": "restart", "parameters": {"now": True}},
        {"kind": "profile", "parameters": PROFILE | {"repeats": 0}},
        {"kind": "profile", "parameters": PROFILE | {"codecs": ["morse"]}},
        {"kind": "restart", "timeout_s": 0},
        {"kind": "restart", "timeout_s": "soon"},
    ],
)
def test_a_job_that_cannot_be_done_is_refused_before_it_is_kept(registered, content):
    assert registered.call("POST", JOBS, json=content).status_code == 400
    assert registered.call("GET", JOBS).get_json()["items"] == []


def test_jobs_are_for_registered_devices(backend):
    backend.store.note_availability("pi-1", "online", at=1.0)

    response = backend.call("POST", JOBS, json={"kind": "restart"})

    assert (response.status_code, "pi-1" in response.get_json()["error"]) == (404, True)


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/a"), ("POST", "/a/cancel")])
def test_jobs_are_the_operators(registered, method, path):
    token = registered.device("pi-2")

    assert registered.call(method, JOBS + path, token=token).status_code == 403


def test_a_job_that_nobody_knows_is_404(registered):
    assert registered.call("GET", f"{JOBS}/a").status_code == 404
    assert registered.call("POST", f"{JOBS}/a/cancel").status_code == 404
