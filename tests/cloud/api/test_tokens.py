"""Tokens over REST, and what they open."""

from __future__ import annotations

import time

import pytest

from cloud.access.scopes import Scope


def make(backend, name: str = "ci", *scopes: str, **more) -> str:
    response = backend.call("POST", "/api/v1/tokens", json={"name": name, "scopes": list(scopes or ["read"]), **more})
    assert response.status_code == 201, response.get_json()
    return str(response.get_json()["token"])


@pytest.mark.parametrize(
    ("scope", "method", "path", "passes"),
    [
        ("infer", "GET", "/api/v1/bundles", True),
        ("infer", "GET", "/api/v1/devices", False),
        ("read", "GET", "/api/v1/devices", True),
        ("read", "GET", "/api/v1/devices/pi-1/tables/digits", True),
        ("read", "POST", "/api/v1/tables", False),
        ("read", "POST", "/v2/models/digits/infer", False),
        ("write", "GET", "/api/v1/devices", True),
        ("write", "POST", "/api/v1/tables", True),
        ("write", "POST", "/api/v1/devices", False),
        ("write", "GET", "/api/v1/audit", False),
        ("admin", "POST", "/v2/models/digits/infer", True),
        ("admin", "GET", "/api/v1/tokens", True),
    ],
)
def test_a_token_opens_what_its_scope_says(backend, scope, method, path, passes):
    token = make(backend, "ci", scope)

    assert (backend.call(method, path, token=token).status_code != 403) is passes


def test_a_token_without_the_scope_is_told_what_it_has_and_what_it_takes(backend):
    message = backend.call("POST", "/api/v1/tables", token=make(backend, "ci", "read")).get_json()["error"]

    assert "'ci'" in message and "takes scope write" in message and "has read" in message


def test_a_token_is_listed_without_its_secret(backend):
    token = make(backend, "ci", "write", "infer", ttl_s=3600)

    listed = backend.call("GET", "/api/v1/tokens")

    (facts,) = listed.get_json()
    assert (facts["name"], facts["scopes"], facts["revoked_at"]) == ("ci", ["infer", "write"], None)
    assert facts["expires_at"] - facts["created_at"] == pytest.approx(3600)
    assert token not in listed.text


def test_a_revoked_token_opens_nothing_and_its_name_is_not_given_again(backend):
    token = make(backend)

    assert backend.call("DELETE", "/api/v1/tokens/ci").status_code == 204

    assert backend.call("GET", "/api/v1/devices", token=token).status_code == 401
    assert backend.call("POST", "/api/v1/tokens", json={"name": "ci", "scopes": ["read"]}).status_code == 409
    assert backend.call("DELETE", "/api/v1/tokens/nobody").status_code == 404


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "a b"}, "token"),
        ({"name": ""}, "token"),
        ({"name": 7}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "infer, read, write, admin"),
        ({"scopes": "read"}, "scopes"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 1e300}, "ttl_s"),
        ({"ttl_s": "day"}, "ttl_s"),
        ({"expires_in_s": 60}, "'expires_in_s' is not known here; known: name, scopes, ttl_s"),
    ],
)
def test_a_token_that_cannot_be_is_refused_in_one_line(backend, change, named):
    response = backend.call("POST", "/api/v1/tokens", json={"name": "ci", "scopes": ["read"], **change})

    assert response.status_code == 400
    assert named in response.get_json()["error"]
    assert backend.store.tokens() == []


def test_nobody_else_is_called_operator(backend):
    response = backend.call("POST", "/api/v1/tokens", json={"name": "operator", "scopes": ["admin"]})

    assert response.status_code == 409


def test_guessing_over_rest_ends_in_429_with_the_time_to_wait(backend):
    responses = [backend.call("GET", "/api/v1/bundles", token=f"guess-{number}") for number in range(11)]

    assert [response.status_code for response in responses] == [401] * 10 + [429]
    assert 1 <= int(responses[-1].headers["Retry-After"]) <= 60


def test_a_token_may_ask_so_often_a_minute_and_inference_has_limits_of_its_own(make_backend):
    backend = make_backend(requests_per_minute=3)

    statuses = [backend.call("GET", "/api/v1/bundles").status_code for _ in range(4)]

    assert statuses == [200] * 3 + [429]
    assert backend.call("POST", "/v2/repository/index").status_code == 200


def test_who_the_peer_is_says_the_proxy_only_where_one_is_trusted(make_backend):
    direct, behind = make_backend(), make_backend(trusted_proxies=1)

    def locked_out(backend) -> set[int]:
        """How the eleventh guess of each of two clients of the proxy ends."""
        for number in range(20):
            forwarded = {"X-Forwarded-For": f"198.51.100.{number}"}
            backend.call("GET", "/api/v1/bundles", token="guess", headers=forwarded)
        forwarded = {"X-Forwarded-For": "198.51.100.99"}
        return {backend.call("GET", "/api/v1/bundles", headers=forwarded).status_code}

    assert locked_out(direct) == {429}
    assert locked_out(behind) == {200}


def lines(backend) -> list[tuple[str, str, str, int]]:
    found = backend.call("GET", "/api/v1/audit").get_json()
    return [(line["who"], line["what"], line["on"], line["status"]) for line in found]


def test_every_change_leaves_a_line_with_who_and_how_it_ended(backend):
    token = make(backend, "ci", "write")
    device = backend.device("pi-1")
    backend.call("POST", "/v2/repository/models/digits/unload", token=token)
    backend.call("DELETE", "/api/v1/devices/pi-1", token=token)
    backend.call("POST", "/api/v1/tables", token=device, json={})
    backend.call("GET", "/api/v1/devices", token=token)

    assert lines(backend) == [
        ("device pi-1", "POST /api/v1/tables", "", 403),
        ("ci", "DELETE /api/v1/devices/pi-1", "", 403),
        ("ci", "POST /v2/repository/models/digits/unload", "", 404),
        ("operator", "POST /api/v1/devices", "pi-1", 201),
        ("operator", "POST /api/v1/tokens", "ci: write", 201),
    ]


def test_a_line_tells_when_and_from_where(backend):
    make(backend)

    (line,) = backend.call("GET", "/api/v1/audit").get_json()

    assert line["peer"] == "127.0.0.1"
    assert abs(line["at"] - time.time()) < 60


def test_guesses_leave_no_line_and_no_secret_gets_into_one(backend):
    for _ in range(3):
        backend.call("POST", "/api/v1/tables", token="guess", json={})
    token, device = make(backend, "ci", "admin"), backend.device("pi-1")

    text = backend.call("GET", "/api/v1/audit").text

    assert len(lines(backend)) == 2
    assert token not in text and device not in text and "guess" not in text


def test_what_a_path_holds_cannot_forge_lines(backend, caplog):
    caplog.set_level("INFO", logger="cloud.api.auditing")
    backend.call("DELETE", "/api/v1/tokens/x%0aoperator%00")

    (line,) = lines(backend)
    assert line[1] == "DELETE /api/v1/tokens/x%0Aoperator%00"
    assert "\n" not in caplog.text.strip()


@pytest.mark.parametrize(("limit", "count"), [("2", 2), ("5000", 3), ("0", None), ("x", None)])
def test_the_audit_is_read_in_pages(backend, limit, count):
    for name in ("a", "b", "c"):
        make(backend, name)

    response = backend.call("GET", f"/api/v1/audit?limit={limit}")

    assert response.status_code == (200 if count else 400)
    assert count is None or len(response.get_json()) == count


def test_scopes_are_these_four():
    assert [scope.value for scope in Scope] == ["infer", "read", "write", "admin"]
