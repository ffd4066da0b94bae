"""Metrics, as a scraper reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud.watching.backend_metrics import BackendMetrics, reason_of
from cloud.watching.exposition import exposition
from protocol.errors import DeadlineHopeless, ServiceMissing
from protocol.inference import Message
from protocol.presence import Availability


def read(text):
    """All samples, by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scraped(stocked):
    return lambda: read(stocked.call("GET", "/metrics").text)


def test_an_inference_shows_in_the_histograms_of_its_network_and_cut(stocked, scraped, whole_request):
    assert stocked.infer(whole_request).status_code == 200

    samples = scraped()
    tail = (("cut", "0"), ("network", "digits"))
    assert samples["dynasplit_inference_seconds_count", *tail] == 1
    assert samples["dynasplit_tail_seconds_count", *tail] == 1
    assert 0 < samples["dynasplit_inference_seconds_sum", *tail] < 60
    assert samples["dynasplit_queue_wait_seconds_count",] == 1
    assert samples["dynasplit_node_joules_total", ("provenance", "estimated")] > 0
    assert samples["dynasplit_requests_total", ("endpoint", "inference_v2.infer"), ("status", "200")] == 1


def test_a_refused_inference_is_counted_by_its_reason(stocked, scraped):
    assert stocked.infer(Message(())).status_code == 400

    assert scraped()["dynasplit_inferences_refused_total", ("reason", "invalid_input")] == 1


def test_the_queue_is_empty_when_nothing_runs(stocked, scraped, whole_request):
    stocked.infer(whole_request)

    assert scraped()["dynasplit_queue_seconds",] == 0


def test_registered_devices_are_counted(backend):
    for device in ("pi-1", "pi-2"):
        backend.device(device)
    for device in ("pi-2", "heard-of"):
        backend.store.note_availability(device, Availability.ONLINE, at=1.0)

    samples = read(backend.call("GET", "/metrics").text)

    assert samples["dynasplit_devices", ("availability", "online")] == 1
    assert samples["dynasplit_devices", ("availability", "offline")] == 1
    assert samples["dynasplit_dead_letters",] == 0
    assert samples["dynasplit_store_up",] == 1


def test_a_store_that_is_away_takes_no_other_metric_with_it(backend, monkeypatch):
    def away():
        raise ServiceMissing("the database is away")

    monkeypatch.setattr(backend.store, "count_devices", away)
    backend.call("GET", "/v2")

    samples = read(backend.call("GET", "/metrics").text)

    assert samples["dynasplit_store_up",] == 0
    assert ("dynasplit_dead_letters",) not in samples
    assert samples["dynasplit_requests_total", ("endpoint", "models_v2.server"), ("status", "200")] == 1


def test_metrics_take_a_token_that_may_read_unless_they_are_open(make_backend):
    closed, to_all = make_backend(), make_backend(metrics_open=True)

    assert closed.call("GET", "/metrics", token="").status_code == 401
    assert closed.call("GET", "/metrics", token=closed.device()).status_code == 403
    assert to_all.call("GET", "/metrics", token="").status_code == 200


def test_what_clients_ask_for_makes_no_series_without_end(backend):
    for number in range(30):
        backend.call("GET", f"/nowhere/{number}")
        backend.call("GET", f"/v2/models/none-{number}")

    text = backend.call("GET", "/metrics").text
    assert "nowhere" not in text
    assert "none-7" not in text
    assert read(text)["dynasplit_requests_total", ("endpoint", "none"), ("status", "404")] == 30


@pytest.mark.exhaustive
def test_beyond_so_many_tails_they_are_told_together():
    metrics = BackendMetrics()
    for cut in range(1000):
        metrics.inferred("net", cut, took_s=0.1, waited_s=0.0, ran_s=0.1)

    samples = read(exposition(metrics.registry).decode())
    counts = {key: value for key, value in samples.items() if key[0] == "dynasplit_inference_seconds_count"}
    assert len(counts) == 201
    assert counts["dynasplit_inference_seconds_count", ("cut", "other"), ("network", "other")] == 800


def test_a_reason_is_written_as_prometheus_writes_names():
    assert reason_of(DeadlineHopeless()) == "deadline_hopeless"
