"""The port on which an ingest process tells how it is."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from cloud.watching.ingest_metrics import IngestMetrics
from cloud.watching.ingest_port import serve
from protocol.errors import ServiceMissing
from tools.stack import free_port


def asked(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.exhaustive
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_metrics_are_told_until_the_port_is_closed(host):
    metrics, port = IngestMetrics(), free_port()
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
    metrics.received(999.0)
    stop = serve(metrics, host, port)
    try:
        with pytest.raises(ServiceMissing, match=f"{host}:{port}"):
            serve(metrics, host, port)
        status, text = asked(address)
    finally:
        stop()

    assert status == 200
    assert "dynasplit_ingest_last_received_timestamp_seconds 999.0" in text
    with pytest.raises(urllib.error.URLError):
        asked(address)


@pytest.mark.exhaustive
def test_probes_hear_whether_broker_and_store_are_there():
    metrics, port, away = IngestMetrics(), free_port(), [True]
    stop = serve(metrics, "127.0.0.1", port)
    try:
        early = asked(f"http://127.0.0.1:{port}/ready")
        metrics.watch_missing(broker=lambda: away[0], store=lambda: False)
        without = asked(f"http://127.0.0.1:{port}/ready")
        away[0] = False
        ready = asked(f"http://127.0.0.1:{port}/ready")
    finally:
        stop()

    assert early == (503, "ingest has not begun\n")
    assert without == (503, "the broker is away\n")
    assert ready == (200, "ready\n")
