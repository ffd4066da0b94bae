"""What ingest tells of its work."""

import pytest
from prometheus_client import generate_latest

from cloud.watching.ingest_metrics import IngestMetrics


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


def test_until_all_is_there_it_says_what_is_missing(metrics):
    away = {"broker": True, "store": True}
    assert metrics.missing() == "ingest has not begun"

    metrics.watch_missing(broker=lambda: away["broker"], store=lambda: away["store"])
    assert metrics.missing() == "the broker is away; the store is away"
    assert "dynasplit_ingest_broker_up 0.0" in told(metrics)
    away.update(broker=False)
    assert metrics.missing() == "the store is away"
    assert "dynasplit_ingest_broker_up 1.0" in told(metrics)
    away.update(store=False)
    assert metrics.missing() == ""
