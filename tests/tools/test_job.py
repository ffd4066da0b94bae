"""Jobs from the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from werkzeug.serving import make_server

from cloud.app import create_app
from cloud.broker.publishing import MemoryPublisher
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from protocol import topics
from protocol.jobs import JobList, JobReport, JobState
from tools.cli import main

OPERATOR = "operator-token"


class Answering(MemoryStore):
    """A store in which a device answers each job at the first look at it, with the state that it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: JobReport | None = None

    def job(self, device: str, job_id: str):
        if self.answer:
            self.note_job(device, JobReport(job_id, self.answer.state, 2, 4, self.answer.reason), at=1.0)
        return super().job(device, job_id)


@pytest.fixture
def store() -> Answering:
    store = Answering()
    store.add_device("pi-1", token_sha256="1" * 64)
    return store


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
def job(store, publisher, tmp_path) -> Iterator[Callable[..., int]]:
    """Runs `dynasplit job` against a backend on loopback."""
    settings = BackendSettings(data_dir=tmp_path / "cloud", operator_token=OPERATOR, node_busy_watts=40.0)
    server = make_server("127.0.0.1", 0, create_app(settings, store=store, publisher=publisher), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield lambda *words: main(["job", *words, "--backend", url, "--token", OPERATOR])
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Bundle:
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name="digits", cuts=(4, 10))


def test_profile_uploads_the_bundle_and_says_what_is_wanted(job, publisher, digits, capsys):
    assert job("profile", "pi-1", str(digits.folder), "--codecs", "raw", "--repeats", "3", "--json", "-") == 0

    told = json.loads(capsys.readouterr().out)
    (sent,) = JobList.from_bytes(publisher.retained[topics.job("pi-1")]).jobs
    assert (sent.id, sent.kind) == (told["id"], "profile")
    assert sent.parameters == {"network": "digits", "bundle": digits.digest, "codecs": ["raw"], "repeats": 3}


def test_push_and_restart_are_sent_with_their_timeout(job, publisher):
    job("push", "pi-1", "digits", "--timeout", "60")
    job("restart", "pi-1")

    push, restart = JobList.from_bytes(publisher.retained[topics.job("pi-1")]).jobs
    assert (push.kind, push.parameters, push.timeout_s) == ("push", {"network": "digits"}, 60.0)
    assert (restart.kind, restart.parameters, restart.timeout_s) == ("restart", {}, 3600.0)


@pytest.mark.parametrize(
    ("state", "exit_code"), [(JobState.SUCCEEDED, 0), (JobState.FAILED, 1), (JobState.TIMED_OUT, 1)]
)
def test_waiting_tells_how_it_went(job, store, capsys, state, exit_code):
    store.answer = JobReport("", state, reason="because")

    assert job("restart", "pi-1", "--wait", "20") == exit_code

    assert f"{state.value} 2 of 4: because" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_a_job_that_does_not_end_in_time_is_said_so(job, capsys):
    assert job("restart", "pi-1", "--wait", "0.01") == 4
    assert "has not ended within" in capsys.readouterr().err


def test_a_broker_that_is_away_is_said(job, publisher, capsys):
    publisher.away = True

    assert job("restart", "pi-1") == 0
    assert "told later" in capsys.readouterr().err


def test_jobs_are_listed_and_canceled(job, store, capsys):
    job("restart", "pi-1")
    (stored,) = store.jobs("pi-1")

    assert job("cancel", "pi-1", stored.job.id) == 0
    capsys.readouterr()
    assert job("list", "pi-1") == 0

    assert "QUEUED, to be canceled" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("restart", "pi-9"), ("cancel", "pi-1", "nope"), ("profile", "pi-1", "/no/bundle")])
def test_what_cannot_be_is_refused_in_one_line(job, capsys, words):
    assert job(*words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_list_that_the_backend_refuses_is_refused_with_its_reason(job, capsys):
    assert job("list", "é") == 2

    assert "must be 1 to 64 letters" in capsys.readouterr().err


def test_no_repeats_are_refused_before_anything_is_uploaded(job, digits, store):
    assert job("profile", "pi-1", str(digits.folder), "--repeats", "0") == 2
    assert store.bundles() == []
