from dataclasses import replace

import pytest

from protocol.configuration import Configuration, Provenance
from protocol.errors import InvalidInput
from protocol.link import REFERENCE_LINK
from protocol.table import Row, Table

PLAIN = Row(
    configuration=Configuration(cut=3, cpu_khz=600_000),
    head_ms=10.0,
    head_mj=30.0,
    wait_w=2.5,
    up_bytes=4000,
    down_bytes=40,
    cloud_ms=5.0,
    cloud_node_mj=4500.0,
    cloud_active_mj=None,
    accuracy=0.9,
    provenance={"head_ms": Provenance.ESTIMATED},
)


def table(*rows):
    return Table(network="vgg", bundle="b" * 64, device="pi", link=REFERENCE_LINK, rows=rows)


def test_a_table_that_knows_no_uncertainty_is_written_as_before():
    content = table(PLAIN).to_json()

    assert content["schema"] == 1
    assert "uncertainty" not in content["rows"][0]
    assert Table.from_json(content) == table(PLAIN)


def test_uncertainty_is_written_and_read_again():
    unsure = replace(PLAIN, uncertainty={"head_ms": 0.02})

    content = table(PLAIN, unsure).to_json()

    assert content["schema"] == 2
    assert Table.from_json(content) == table(PLAIN, unsure)


@pytest.mark.parametrize("share", [-0.1, float("nan"), float("inf")])
def test_an_uncertainty_is_a_share(share):
    with pytest.raises(InvalidInput, match="uncertainty of head_ms must be 0 or more"):
        replace(PLAIN, uncertainty={"head_ms": share})


@pytest.mark.parametrize("uncertainty", [[0.1], {"head_ms": "much"}, {"head_ms": None}])
def test_an_uncertainty_that_is_no_number_is_refused(uncertainty):
    with pytest.raises(InvalidInput, match="uncertainty"):
        Row.from_json(PLAIN.to_json() | {"uncertainty": uncertainty})


def test_a_newer_table_is_refused_by_number():
    with pytest.raises(InvalidInput, match="schema 3, newer than 2"):
        Table.from_json(table(PLAIN).to_json() | {"schema": 3})
