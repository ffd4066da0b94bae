"""Clients of paho, as all that speak to a broker here want them."""

from __future__ import annotations

import ssl
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocol.bus import Will
from protocol.errors import InvalidInput
from protocol.mqtt.address import BrokerAddress

QOS = 1
KEEPALIVE_S = 30


def why_not(error: BaseException | None) -> str:
    """Why no connection came about, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"is not trusted: {error.verify_message}; is it ca_file that signed its certificate, and for this name?"
    return f"cannot be reached: {error}; is it running?"


def new_client(
    address: BrokerAddress,
    client_id: str,
    will: Will | None,
    *,
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
) -> paho.Client:
    """One that is not connected yet. InvalidInput for a file of authorities that cannot be used."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        _trust(client, address.ca_file)
    if will:
        client.will_set(will.topic, will.payload, qos=QOS, retain=True)
    return client


def _trust(client: paho.Client, ca_file: Path | None) -> None:
    try:
        client.tls_set(str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"ca_file {ca_file} holds no certificates in PEM: {error.strerror or error}") from error
