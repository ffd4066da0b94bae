"""The shipped broker's listener for devices: TLS, with what `dynasplit certs` made."""

from __future__ import annotations

import gc
import logging
import threading
from pathlib import Path

import pytest

from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from protocol.mqtt.calls import check_login

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 20.0


def address(broker, *, ca_file: Path | None, scheme: str = "mqtts") -> BrokerAddress:
    return BrokerAddress.parse(f"{scheme}://backend:backend-secret@127.0.0.1:{broker.tls_port}", ca_file=ca_file)


def test_who_trusts_the_authority_gets_in(shipped_broker):
    check_login(address(shipped_broker, ca_file=shipped_broker.certificates / "ca.pem"), client_id="test")


def test_the_cloud_s_own_processes_trust_whom_the_environment_names(shipped_broker, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(shipped_broker.certificates / "ca.pem"))

    check_login(address(shipped_broker, ca_file=None), client_id="test")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the socket to the collector
def test_a_broker_of_another_authority_is_refused_in_one_clear_line(shipped_broker, caplog):
    caplog.set_level(logging.WARNING)
    wrong = address(shipped_broker, ca_file=shipped_broker.certificates / "other" / "ca.pem")
    bus, tick = MqttBus(wrong, client_id="test"), threading.Event()
    bus.start()
    for _ in range(int(PATIENCE_S / 0.01)):
        if caplog.messages:
            break
        tick.wait(0.01)
    bus.stop()
    del bus
    gc.collect()

    assert len(caplog.messages) == 1
    assert "is not trusted: unable to get local issuer certificate" in caplog.messages[0]
    assert "backend-secret" not in caplog.text


def test_without_tls_the_listener_answers_nobody(shipped_broker):
    with pytest.raises(ServiceMissing):
        check_login(address(shipped_broker, ca_file=Path("/"), scheme="mqtt"), client_id="test", timeout_s=1.0)
