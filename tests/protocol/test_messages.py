from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.configuration import Account, Codec, Configuration, Provenance
from protocol.errors import InvalidInput, SignatureInvalid
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from protocol.messages import Ack, Inference, Record, RecordKind, TableReport, TableState, Telemetry
from protocol.signing import SignedTable, generate_private_key, public_key_of, sign, verify
from protocol.table import Row, Table

CONFIGURATION = Configuration(cut=4, cpu_khz=1_800_000, codec=Codec.INT8_ZSTD)
COST = Cost(
    head_ms=40.0,
    transfer_ms=3.0,
    cloud_ms=2.0,
    latency_ms=46.0,
    up_bytes=1000,
    down_bytes=40,
    head_mj=170.0,
    wait_mj=18.0,
    cloud_node_mj=1860.0,
    cloud_active_mj=None,
    provenance={"head_ms": Provenance.EMULATED},
)
ROW = Row(CONFIGURATION, 40.0, 170.0, 3.1, 1000, 40, 2.0, 1860.0, None, 0.99, {"head_ms": Provenance.EMULATED})
TABLE = Table("net", "b" * 64, "pi", REFERENCE_LINK, (ROW,), version=3)
MEASUREMENT = Measurement(
    CONFIGURATION, COST, "net", "b" * 64, "pi", "litert-2", REFERENCE_LINK, 1.7e9, True, accuracy=0.9
)
INFERENCE = Inference(
    network="net",
    bundle="b" * 64,
    strategy="dynasplit",
    account=Account.EDGE_NODE,
    configuration=CONFIGURATION,
    cost=COST,
    deadline_ms=50.0,
    violation=False,
    fallback="",
    refused="",
    table_digest=TABLE.digest,
    at=1.7e9,
    clock_synced=True,
    predicted_ms=45.0,
)


def test_documents_come_back_as_they_were():
    assert Configuration.from_json(CONFIGURATION.to_json()) == CONFIGURATION
    assert Measurement.from_json(MEASUREMENT.to_json()) == MEASUREMENT
    assert Inference.from_json(INFERENCE.to_json()) == INFERENCE
    assert Table.from_json(TABLE.to_json()) == TABLE
    assert Table.from_json(TABLE.to_json()).digest == TABLE.digest


def test_a_refused_request_has_neither_configuration_nor_cost():
    refused = replace(INFERENCE, configuration=None, cost=None, violation=True, refused="late=reject")
    assert Inference.from_json(refused.to_json()) == refused


def test_unknown_fields_are_ignored():
    assert Table.from_json({**TABLE.to_json(), "colour": "green"}) == TABLE


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (TABLE, {"schema": 99}),
        (TABLE, {"rows": []}),
        (TABLE, {"rows": [{}]}),
        (TABLE, {"version": "3"}),
        (TABLE, {"link": None}),
        (MEASUREMENT, {"accuracy": 1.5}),
        (MEASUREMENT, {"repeats": 0}),
        (MEASUREMENT, {"cost": {**COST.to_json(), "head_ms": -1}}),
        (MEASUREMENT, {"cost": {**COST.to_json(), "provenance": {"head_ms": "guessed"}}}),
        (MEASUREMENT, {"configuration": {"cut": 1, "cpu_khz": 1, "codec": "zip"}}),
        (MEASUREMENT, {"configuration": {"cut": -1, "cpu_khz": 1}}),
    ],
)
def test_what_cannot_be_is_refused(document, changes):
    with pytest.raises(InvalidInput):
        type(document).from_json({**document.to_json(), **changes})


def test_telemetry_comes_back_as_it_was():
    batch = Telemetry("pi", "boot-1", (Record(1, RecordKind.INFERENCE, INFERENCE.to_json()),))
    assert Telemetry.from_bytes(batch.to_bytes()) == batch


@given(st.sets(st.integers(0, 300)))
def test_an_ack_names_just_the_sequences_it_was_made_of(sequences):
    ack = Ack.from_bytes(Ack.of("boot", sequences).to_bytes())
    assert {number for first, last in ack.ranges for number in range(first, last + 1)} == sequences


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"schema":1,"boot":"b","ranges":[[1]]}', b'{"schema":1,"boot":"b","ranges":[1]}']
)
def test_a_malformed_ack_is_refused(payload):
    with pytest.raises(InvalidInput):
        Ack.from_bytes(payload)


def test_a_report_comes_back_as_it_was():
    report = TableReport("net", TABLE.digest, 3, TableState.REJECTED, "older than the one in use")
    assert TableReport.from_bytes(report.to_bytes()) == report
    back = TableReport("net", TABLE.digest, 3, TableState.ROLLED_BACK, "failed 2 of its first 3", failed="f" * 64)
    assert TableReport.from_bytes(back.to_bytes()) == back


def test_a_signature_holds_for_its_key_alone():
    private, stranger = generate_private_key(), generate_private_key()
    signed = SignedTable.from_json(sign(TABLE, private).to_json())
    verify(signed, public_key_of(private))
    with pytest.raises(SignatureInvalid):
        verify(signed, public_key_of(stranger))


def test_a_changed_table_is_noticed_even_with_a_new_digest():
    private = generate_private_key()
    signed = sign(TABLE, private)
    forged = SignedTable(TABLE.with_version(9), signed.signature)
    with pytest.raises(SignatureInvalid):
        verify(forged, public_key_of(private))
    with pytest.raises(SignatureInvalid, match="digest"):
        SignedTable.from_json({**signed.to_json(), "table": TABLE.with_version(9).to_json()})


@pytest.mark.parametrize("key", ["", "not base64!", "c2hvcnQ="])
def test_a_key_that_is_none_is_told_so(key):
    with pytest.raises(InvalidInput, match="private key"):
        sign(TABLE, key)
