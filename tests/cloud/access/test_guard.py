"""Who may do what."""

from __future__ import annotations

import pytest

from cloud.access.guard import Guard, token_sha256
from cloud.access.scopes import Scope
from cloud.store.memory import MemoryStore
from cloud.store.tokens.port import StoredToken
from cloud.waiting import WithoutWaiting, WouldWait
from protocol.errors import NotAuthenticated, Overloaded, ServiceMissing

OPERATOR_ONLY = [
    ("POST", "/api/v1/tokens"),
    ("GET", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/ci"),
    ("GET", "/api/v1/audit"),
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


@pytest.mark.exhaustive(sample=30)
@pytest.mark.parametrize(("method", "path"), OPERATOR_ONLY + DEVICES_TOO)
@pytest.mark.parametrize("token", ["", "wrong", "ünknown"])
def test_without_a_known_token_it_is_401(backend, method, path, token):
    response = backend.call(method, path, token=token)

    assert response.status_code == 401
    assert "token" in response.get_json()["error"]
    assert response.headers["WWW-Authenticate"] == "Bearer"


def known_to(store: MemoryStore, name: str, *scopes: Scope, **more: float) -> None:
    """A token that is called as its name."""
    words = tuple(scope.value for scope in scopes)
    store.add_token(StoredToken(name, token_sha256(name), words, created_at=0.0, **more))


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
        guard.caller(header, peer="192.0.2.1")


def test_the_scheme_is_read_in_any_case():
    guard = Guard(MemoryStore(), operator_token="operator-token")

    assert guard.caller("bearer operator-token", peer="192.0.2.1").name == "operator"


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
    guard.caller("Bearer secret", peer="192.0.2.1")

    store.away, now[0] = True, 1000.0

    assert guard.caller("Bearer secret", peer="192.0.2.1").device == "pi-1"
    with pytest.raises(ServiceMissing):
        guard.caller("Bearer another", peer="192.0.2.1")


def test_a_removed_device_is_unknown_after_ten_seconds_elsewhere():
    now, store = [0.0], MemoryStore()
    store.add_device("pi-1", token_sha256=token_sha256("secret"))
    guard = Guard(store, operator_token="operator-token", clock=lambda: now[0])
    guard.caller("Bearer secret", peer="192.0.2.1")

    store.remove_device("pi-1", at=9.0)
    now[0] = 10.5

    with pytest.raises(NotAuthenticated):
        guard.caller("Bearer secret", peer="192.0.2.1")


PEER = "192.0.2.1"


class Clocks:
    """A guard in time that passes when it is told to."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.now, self.store = 1_000_000.0, store or MemoryStore()
        self.guard = self.another()

    def another(self) -> Guard:
        """That of another worker process."""
        return Guard(self.store, operator_token="operator-token", clock=lambda: self.now, wall=lambda: self.now)

    def tries(self, token: str, *, peer: str = PEER, times: int = 1) -> list[type[BaseException] | None]:
        """How each try ended."""
        return [_ending(self.guard, token, peer) for _ in range(times)]


def _ending(guard: Guard, token: str, peer: str) -> type[BaseException] | None:
    try:
        guard.caller(f"Bearer {token}", peer=peer)
    except (NotAuthenticated, Overloaded) as error:
        return type(error)
    return None


def test_a_token_has_its_scopes_and_what_they_include():
    clocks = Clocks()
    known_to(clocks.store, "ci", Scope.WRITE)

    caller = clocks.guard.caller("Bearer ci", peer=PEER)

    assert (caller.name, caller.device, caller.scopes) == ("ci", None, {Scope.WRITE, Scope.READ})


def test_a_token_expires_to_the_moment_though_it_is_remembered():
    clocks = Clocks()
    known_to(clocks.store, "ci", Scope.READ, expires_at=clocks.now + 5.0)
    assert clocks.tries("ci") == [None]

    clocks.now += 5.0

    assert clocks.tries("ci") == [NotAuthenticated]


def test_a_revoked_token_is_refused_at_once_where_it_was_revoked_and_within_ten_seconds_elsewhere():
    clocks = Clocks()
    known_to(clocks.store, "ci", Scope.READ)
    elsewhere = clocks.another()
    assert (clocks.tries("ci"), _ending(elsewhere, "ci", PEER)) == ([None], None)

    clocks.store.revoke_token("ci", at=clocks.now)
    clocks.guard.forget()

    assert clocks.tries("ci") == [NotAuthenticated]
    clocks.now += 10.5
    assert _ending(elsewhere, "ci", PEER) is NotAuthenticated


def test_a_wrong_token_is_counted_by_none_who_must_not_wait():
    clocks = Clocks()
    known_to(clocks.store, "gone", Scope.READ, revoked_at=1.0)
    assert clocks.tries("gone") == [NotAuthenticated]

    for token in ("gone", "unknown"):
        with pytest.raises(WouldWait), WithoutWaiting():
            clocks.guard.caller(f"Bearer {token}", peer=PEER)

    assert clocks.store.wrong_tries("token", PEER, since=0.0) == 1


def test_unknown_expired_and_revoked_are_told_apart_in_the_log_alone(caplog):
    clocks, said = Clocks(), set()
    known_to(clocks.store, "old", Scope.READ, expires_at=1.0)
    known_to(clocks.store, "gone", Scope.READ, revoked_at=1.0)

    for token in ("old", "gone", "unknown"):
        with pytest.raises(NotAuthenticated) as refused:
            clocks.guard.caller(f"Bearer {token}", peer=PEER)
        said.add(str(refused.value))

    assert len(said) == 1
    assert [("expired" in line, "revoked" in line, PEER in line) for line in caplog.messages] == [
        (True, False, True),
        (False, True, True),
        (False, False, True),
    ]


def test_the_day_of_the_last_use_is_kept_once_a_day():
    clocks = Clocks()
    known_to(clocks.store, "ci", Scope.READ)

    clocks.tries("ci")

    assert clocks.store.tokens()[0].last_used_on == "1970-01-12"


def test_after_ten_wrong_tokens_within_a_minute_a_peer_is_refused_until_it_has_passed():
    clocks = Clocks()

    assert clocks.tries("wrong", times=11) == [NotAuthenticated] * 10 + [Overloaded]
    # Not even the right one: a guess must not be worth making.
    assert clocks.tries("operator-token") == [Overloaded]
    clocks.now += 61.0
    assert clocks.tries("operator-token") == [None]


def test_other_peers_and_tokens_that_cannot_be_guessed_go_on_meanwhile():
    clocks = Clocks()
    clocks.store.add_device("pi-1", token_sha256=token_sha256("device"))
    known_to(clocks.store, "ci", Scope.READ)
    clocks.tries("wrong", times=11)

    assert clocks.tries("operator-token", peer="192.0.2.2") == [None]
    assert (clocks.tries("device"), clocks.tries("ci")) == ([None], [None])


def test_wrong_tokens_are_counted_for_all_worker_processes_together():
    clocks = Clocks()
    clocks.tries("wrong", times=10)

    assert _ending(clocks.another(), "operator-token", PEER) is Overloaded


def test_a_host_with_many_addresses_of_ipv6_is_one_peer():
    clocks = Clocks()

    endings = [clocks.tries("wrong", peer=f"2001:db8::{number:x}")[0] for number in range(11)]

    assert endings == [NotAuthenticated] * 10 + [Overloaded]
    assert clocks.tries("operator-token", peer="2001:db8:0:1::1") == [None]


def test_no_token_at_all_counts_as_no_try():
    clocks = Clocks()
    for _ in range(20):
        with pytest.raises(NotAuthenticated):
            clocks.guard.caller("", peer=PEER)

    assert clocks.tries("operator-token") == [None]


def test_the_operator_is_let_in_while_the_store_is_away():
    class Away(MemoryStore):
        def wrong_tries(self, *_given, **_more):
            raise ServiceMissing("away")

    assert Clocks(Away()).tries("operator-token") == [None]
