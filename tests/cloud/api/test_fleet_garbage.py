"""Garbage at the endpoints of rollouts and computations: a 4xx in one line, and nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "network",
    "tables",
    "canary_share",
    "growth",
    "soak_s",
    "patience_s",
    "stop_on",
    "device",
    "devices",
    "run",
    "bundle",
)
ORDERS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=6) | ANYTHING
ENDPOINTS = ("/api/v1/rollouts", "/api/v1/tables/compute")
quietly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", ENDPOINTS)
@quietly
@given(order=ORDERS)
def test_an_order_that_is_garbage_is_refused(backend, path, order):
    _check(backend, path, json=order)


@pytest.mark.parametrize("path", ENDPOINTS)
@quietly
@given(body=st.binary(max_size=200))
def test_a_body_that_is_garbage_is_refused(backend, path, body):
    _check(backend, path, data=body)


@quietly
@given(place=st.sampled_from(("schema", "digest", "signature", "table")), value=ANYTHING)
def test_a_signed_table_with_something_else_in_it_is_refused(backend, make_signed, place, value):
    tables = [make_signed(1).to_json() | {place: value}]

    _check(backend, ENDPOINTS[0], json={"network": "digits", "tables": tables})


@pytest.mark.parametrize("path", ["/api/v1/rollouts/{}", "/api/v1/tables/compute/{}", "/api/v1/networks/{}/tables"])
@pytest.mark.parametrize("name", ["%00", "..", "a" * 5000, "%F0%9F%98%80", "%ff", "-1"])
def test_a_strange_name_in_a_path_is_no_fault_of_the_server(backend, path, name):
    assert backend.call("GET", path.format(name)).status_code < 500


def _check(backend: Any, path: str, **body: Any) -> None:
    response = backend.call("POST", path, **body)

    assert 400 <= response.status_code < 500, response.get_data()
    assert "\n" not in response.get_json()["error"]
    assert backend.store.rollouts() == []
    assert backend.store.unfinished_computations() == []
