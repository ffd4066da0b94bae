"""Every route with every kind of caller: what the endpoint says of itself is what happens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from cloud.access.guard import token_sha256
from cloud.access.scopes import Scope
from cloud.api.access import Needs, needs_of
from cloud.store.tokens.port import StoredToken
from protocol.errors import NotAllowed, NotAuthenticated

OWN, OTHER = "pi-1", "pi-2"
TOKENS = {scope.value: (scope,) for scope in Scope}
NOBODY = ("", "wrong", "expired", "revoked", "rëad", "device pi-1", "a" * 5000)
_VALUES = {"device": OWN, "version": "1", "digest": "a" * 64, "sha256": "a" * 64, "content": "a" * 64}
_INCLUDED = {
    "infer": {"infer"},
    "read": {"read"},
    "write": {"write", "read"},
    "admin": {scope.value for scope in Scope},
}


@pytest.fixture
def backend(make_backend):
    """One that knows a token of each scope, called as it, two devices, and two tokens that are good no longer."""
    made = make_backend(requests_per_minute=0)
    for name, scopes in {**TOKENS, "expired": (Scope.ADMIN,), "revoked": (Scope.ADMIN,)}.items():
        words = tuple(scope.value for scope in scopes)
        made.store.add_token(StoredToken(name, token_sha256(name), words, 0.0, 1.0 if name == "expired" else None))
    made.store.revoke_token("revoked", at=1.0)
    for device in (OWN, OTHER):
        made.store.add_device(device, token_sha256=token_sha256(device))
    return made


def routes(backend) -> Iterator[tuple[str, str, Needs]]:
    """Method, path with plausible values, and what the endpoint says that it needs."""
    for rule in backend.app.url_map.iter_rules():
        path = rule.rule
        for name in rule.arguments:
            value = _VALUES.get(name, "x")
            path = "".join(value if part.endswith(f"{name}>") else part for part in _parts(path))
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, path, needs_of(backend.app.view_functions[rule.endpoint])


def _parts(path: str) -> Iterator[str]:
    """`/a/<b>/c` in pieces, each placeholder one of its own."""
    for before in path.split(">"):
        text, opened, name = before.partition("<")
        yield text
        if opened:
            yield f"<{name}>"


def expected(needs: Needs, token: str) -> int | None:
    """The refusal; None where the caller is let through, whatever comes of it."""
    if not needs.any_of:
        return None
    wanted = {scope.value for scope in needs.any_of}
    if token in (OWN, OTHER):
        good = token == OWN if needs.own_device else "infer" in wanted
        return None if good else NotAllowed.http_status
    if token not in _INCLUDED:
        return NotAuthenticated.http_status
    return None if _INCLUDED[token] & wanted else NotAllowed.http_status


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("token", [*TOKENS, OWN, OTHER])
def test_who_is_known_gets_in_where_the_endpoint_says_so_and_nowhere_else(backend, token):
    got = {}
    for method, path, needs in routes(backend):
        if path == f"/api/v1/devices/{OWN}" and method == "DELETE":
            continue  # it would take the device's token away
        status = backend.call(method, path, token=token).status_code
        refused = status if status in (401, 403) else None
        assert status != 500, (method, path)
        if refused != expected(needs, token):
            got[method, path] = status

    assert got == {}


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize("token", NOBODY)
def test_who_is_not_known_gets_in_nowhere(backend, token):
    for method, path, needs in routes(backend):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        peer = {"REMOTE_ADDR": f"192.0.2.{next(_numbers) % 250}"}
        status = backend.client.open(path, method=method, headers=headers, environ_base=peer).status_code
        assert not needs.any_of or status in (401, 429), (method, path)


_numbers = itertools.count()


def test_another_devices_data_is_nobodys_but_its_own(backend):
    own = [(method, path) for method, path, needs in routes(backend) if needs.own_device]

    assert ("GET", f"/api/v1/devices/{OWN}/tables/x") in own
    assert {backend.call(method, path, token=OTHER).status_code for method, path in own} == {403}


def test_refused_changes_change_nothing(backend):
    before = (len(backend.store.devices()), len(backend.store.bundles()), len(backend.store.drafts()))

    for token in (OWN, "read", "infer"):
        for method, path, needs in routes(backend):
            if expected(needs, token):
                backend.call(
                    method, path, token=token, json={"id": "new", "device": "new", "name": "new", "scopes": ["admin"]}
                )

    assert (len(backend.store.devices()), len(backend.store.bundles()), len(backend.store.drafts())) == before
    assert len(backend.store.tokens()) == len(TOKENS) + 2
