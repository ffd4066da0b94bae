"""What ingest tells of its work."""

import socket
import urllib.request

import pytest
from prometheus_client import generate_latest

from cloud.watching.ingest_metrics import IngestMetrics
from protocol.errors import ServiceMissing


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def metrics(now):
    return IngestMetrics(wall_clock=lambda: now[0])


def told(metrics):
    return generate_latest(metrics.registry).decode().splitlines()


def test_the_lag_grows_while_nothing_can_be_written_and_ends_with_the_commit(metrics, now):
    metrics.writing(990.0)
    now[0] = 1060.0
    assert "dynasplit_ingest_lag_seconds 70.0" in told(metrics)

    metrics.written({"inference": 3, "rejection": 1}, took_s=0.02)

    assert "dynasplit_ingest_lag_seconds 0.0" in told(metrics)
    assert 'dynasplit_ingest_records_total{kind="inference"} 3.0' in told(metrics)
    assert 'dynasplit_ingest_records_total{kind="rejection"} 1.0' in told(metrics)


@pytest.mark.exhaustive
def test_it_is_told_on_a_port_until_that_is_closed(metrics):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics.received(999.0)
    stop = metrics.serve("127.0.0.1", port)
    try:
        with pytest.raises(ServiceMissing, match=f"127.0.0.1:{port}"):
            metrics.serve("127.0.0.1", port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            text = response.read().decode()
    finally:
        stop()

    assert "dynasplit_ingest_last_received_timestamp_seconds 999.0" in text
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
