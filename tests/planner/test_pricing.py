import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.pricing import Parts, price
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import REFERENCE_LINK, Link
from protocol.table import Row

SENDING = Row(
    configuration=Configuration(cut=3, cpu_khz=1_800_000),
    head_ms=20.0,
    head_mj=80.0,
    wait_w=3.0,
    up_bytes=1000,
    down_bytes=100,
    cloud_ms=5.0,
    cloud_node_mj=700.0,
    cloud_active_mj=50.0,
    accuracy=None,
)
STAYING = Row(
    configuration=Configuration(cut=9, cpu_khz=1_800_000),
    head_ms=60.0,
    head_mj=240.0,
    wait_w=3.0,
    up_bytes=0,
    down_bytes=0,
    cloud_ms=0.0,
    cloud_node_mj=0.0,
    cloud_active_mj=None,
    accuracy=None,
)
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=50.0)


def without_active(row: Row) -> Row:
    return Row.from_json(row.to_json() | {"cloud_active_mj": None})


def test_latency_is_head_then_transfer_then_tail():
    prices = price([SENDING], LINK, Account.EDGE)

    assert prices.latency_ms == pytest.approx([20 + (2 + 10 + 2) + 5])


@pytest.mark.parametrize(
    ("account", "cloud_mj"), [(Account.EDGE, 0.0), (Account.EDGE_ACTIVE, 50.0), (Account.EDGE_NODE, 700.0)]
)
def test_the_account_says_whose_energy_counts(account, cloud_mj):
    prices = price([SENDING], LINK, account)

    assert prices.energy_mj == pytest.approx([80 + 3 * 19 + cloud_mj])


@pytest.mark.parametrize("account", list(Account))
def test_an_edge_only_row_pays_for_neither_link_nor_cloud(account):
    prices = price([STAYING], LINK, account)

    assert prices.latency_ms == pytest.approx([60.0])
    assert prices.energy_mj == pytest.approx([240.0])


def test_energy_above_idle_is_refused_where_a_sending_row_does_not_know_it():
    with pytest.raises(InvalidInput, match="edge_active"):
        price([SENDING, without_active(SENDING)], LINK, Account.EDGE_ACTIVE)


def test_the_transfer_is_that_of_the_link():
    waiting_ms = Parts.of([SENDING]).waiting_ms(REFERENCE_LINK)

    assert waiting_ms == pytest.approx([REFERENCE_LINK.transfer_ms(1000, 100) + 5.0])


def test_no_rows_have_no_prices():
    assert price([], LINK, Account.EDGE).latency_ms.shape == (0,)


rates = st.floats(1e-3, 1e6)
links = st.builds(Link, st.floats(0, 1e4), rates, rates)


@given(links, st.floats(0, 1e3), st.floats(1e-3, 1), st.floats(1e-3, 1), st.sampled_from(Account))
def test_on_a_slower_link_no_row_is_predicted_faster_or_cheaper(link, more_rtt_ms, up_share, down_share, account):
    slower = Link(link.rtt_ms + more_rtt_ms, link.up_bytes_per_ms * up_share, link.down_bytes_per_ms * down_share)

    before, after = price([SENDING, STAYING], link, account), price([SENDING, STAYING], slower, account)

    assert np.all(after.latency_ms >= before.latency_ms)
    assert np.all(after.energy_mj >= before.energy_mj)
    assert after.latency_ms[1] == before.latency_ms[1]
