"""Who may do what."""

from __future__ import annotations

import pytest

from cloud.access.guard import Guard, token_sha256
from cloud.store.memory import MemoryStore
from protocol.errors import NotAuthenticated, ServiceMissing

OPERATOR_ONLY = [
    ("GET", "/api/v1/openapi.json"),
    ("PUT", f"/api/v1/artifacts/{'a' * 64}"),
    ("PUT", f"/api/v1/bundles/{'a' * 64}"),
    ("POST", "/api/v1/devices"),
    ("GET", "/api/v1/devices"),
    ("DELETE", "/api/v1/devices/pi-1"),
    ("PUT", "/api/v1/devices/pi-1/tables/digits"),
    ("POST", "/api/v1/tables"),
    ("GET", "/api/v1/tables"),
    ("GET", f"/api/v1/tables/{'a' * 64}"),
    ("GET", "/api/v1/measurements"),
    ("GET", "/api/v1/inferences"),
    ("GET", "/api/v1/inferences/count"),
    ("POST", "/v2/repository/models/digits/load"),
    ("POST", "/v2/repository/models/digits/unload"),
]
DEVICES_TOO = [
    ("GET", "/v2"),
    ("POST", "/v2/models/digits/infer"),
    ("GET", "/v2/models/digits"),
    ("GET", "/v2/models/digits/ready"),
    ("GET", "/v2/models/digits/config"),
    ("GET", "/v2/models/digits/stats"),
    ("POST", "/v2/repository/index"),
    ("GET", f"/api/v1/artifacts/{'a' * 64}"),
    ("GET", f"/api/v1/bundles/{'a' * 64}"),
    ("GET", "/api/v1/bundles"),
    ("GET", "/api/v1/devices/pi-1/tables/digits"),
]


@pytest.mark.parametrize(("method", "path"), OPERATOR_ONLY + DEVICES_TOO)
@pytest.mark.parametrize("token", ["", "wrong", "ünknown"])
def test_without_a_known_token_it_is_401(backend, method, path, token):
    response = backend.call(method, path, token=token)

    assert response.status_code == 401
    assert "token" in response.get_json()["error"]
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), OPERATOR_ONLY)
def test_a_device_may_not_do_what_the_operator_does(backend, method, path):
    response = backend.call(method, path, token=backend.device("pi-1"))

    assert response.status_code == 403
    assert "pi-1" in response.get_json()["error"]


@pytest.mark.parametrize(("method", "path"), DEVICES_TOO)
def test_a_device_may_infer_and_fetch(backend, method, path):
    response = backend.call(method, path, token=backend.device("pi-1"))

    assert response.status_code not in (401, 403)


def test_a_device_may_not_see_the_tables_of_another(backend):
    token = backend.device("pi-2")

    assert backend.call("GET", "/api/v1/devices/pi-1/tables/digits", token=token).status_code == 403


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_probes_need_no_token(backend, path):
    assert backend.call("GET", path, token="").status_code == 200


@pytest.mark.parametrize("header", ["operator-token", "Basic operator-token", "Bearer", "Bearer ", ""])
def test_only_bearer_tokens_count(header):
    guard = Guard(MemoryStore(), operator_token="operator-token")

    with pytest.raises(NotAuthenticated):
        guard.caller(header)


def test_the_scheme_is_read_in_any_case():
    guard = Guard(MemoryStore(), operator_token="operator-token")

    assert guard.caller("bearer operator-token").name == "operator"


class Leaving(MemoryStore):
    """A store that can go away."""

    away = False

    def device_with_token(self, token):
        if self.away:
            raise ServiceMissing("away")
        return super().device_with_token(token)


def test_a_known_device_still_serves_while_the_store_is_away():
    now, store = [0.0], Leaving()
    store.add_device("pi-1", token_sha256=token_sha256("secret"))
    guard = Guard(store, operator_token="operator-token", clock=lambda: now[0])
    guard.caller("Bearer secret")

    store.away, now[0] = True, 1000.0

    assert guard.caller("Bearer secret").device == "pi-1"
    with pytest.raises(ServiceMissing):
        guard.caller("Bearer another")


def test_a_removed_device_is_unknown_after_ten_seconds_elsewhere():
    now, store = [0.0], MemoryStore()
    store.add_device("pi-1", token_sha256=token_sha256("secret"))
    guard = Guard(store, operator_token="operator-token", clock=lambda: now[0])
    guard.caller("Bearer secret")

    store.remove_device("pi-1")
    now[0] = 10.5

    with pytest.raises(NotAuthenticated):
        guard.caller("Bearer secret")
