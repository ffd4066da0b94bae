"""Enrolment: a one-use code becomes all that a device needs, or nothing at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.broker.accounts import MemoryAccounts, NoAccounts
from cloud.enrolment.codes import CodeSecrets, new_code, normalized
from cloud.enrolment.enrolling import Enrolling
from cloud.store.memory import MemoryStore
from protocol.enrolment import Enrolled
from protocol.errors import Conflict, InvalidInput, NotFound, Overloaded, ServiceMissing
from protocol.signing import generate_private_key, public_key_of

KEY = public_key_of(generate_private_key())
SET_UP = {"device_broker_url": "mqtts://broker.example:8883", "operator_public_key": KEY}
MADE_HERE = SET_UP | {"broker_accounts": "dynamic-security", "broker_url": "mqtt://backend:x@127.0.0.1:1"}
WRONG = "AAAAA-AAAAA"


@pytest.fixture
def enrolment(make_backend):
    return make_backend(**MADE_HERE)


def issue(backend, **content) -> str:
    response = backend.call("POST", "/api/v1/enrolments", json={"device": "pi-1"} | content)
    assert response.status_code == 201, response.get_json()
    return response.get_json()["code"]


def enrol(backend, code: str, *, peer: str = "192.0.2.1"):
    return backend.call("POST", "/api/v1/enroll", token="", json={"code": code}, environ_base={"REMOTE_ADDR": peer})


def test_a_code_becomes_all_that_a_device_needs(enrolment):
    response = enrol(enrolment, issue(enrolment))

    enrolled = Enrolled.from_json(response.get_json())
    assert (enrolled.device, enrolled.broker_url, enrolled.operator_public_key, enrolled.ca) == (
        "pi-1",
        "mqtts://broker.example:8883",
        KEY,
        "",
    )
    assert enrolment.accounts.passwords == {enrolled.broker_user: enrolled.broker_password}
    assert enrolment.call("GET", "/api/v1/bundles", token=enrolled.device_token).status_code == 200


def test_a_code_may_be_typed_as_people_do(enrolment):
    code = issue(enrolment)

    assert enrol(enrolment, f" {code.lower().replace('-', ' ')}\n").status_code == 200


def test_the_authority_goes_along(make_backend, tmp_path):
    (tmp_path / "ca.pem").write_text("a certificate")
    backend = make_backend(**MADE_HERE, device_ca=tmp_path / "ca.pem")

    assert enrol(backend, issue(backend)).get_json()["ca"] == "a certificate"


def test_a_code_is_good_once_and_says_so(enrolment):
    code = issue(enrolment)
    enrol(enrolment, code)

    response = enrol(enrolment, code)

    assert response.status_code == 409
    assert "used already" in response.get_json()["error"]


def test_a_code_stays_good_while_the_broker_is_away(enrolment):
    code = issue(enrolment)
    enrolment.accounts.away = True

    assert enrol(enrolment, code).status_code == 503
    assert enrolment.store.devices() == []

    enrolment.accounts.away = False
    assert enrol(enrolment, code).status_code == 200


def test_a_code_stays_good_while_the_store_is_away(settings):
    class Fragile(MemoryStore):
        def use_enrolment(self, *_arguments, **_more):
            raise ServiceMissing("the database is away")

    store, accounts = Fragile(), MemoryAccounts()
    enrolling = Enrolling(changed(settings, **MADE_HERE), store, accounts)
    code = enrolling.issue("pi-1", ttl_s=60.0).code
    with pytest.raises(ServiceMissing):
        enrolling.enrol(code, peer="a")
    left = dict(accounts.passwords)

    store.use_enrolment = lambda *a, **more: MemoryStore.use_enrolment(store, *a, **more)  # type: ignore[method-assign]

    assert enrolling.enrol(code, peer="a").broker_password == left["device-pi-1"]


def changed(settings, **change):
    return replace(settings, **change)


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def enrolling(settings, now) -> Enrolling:
    return Enrolling(changed(settings, **MADE_HERE), MemoryStore(), MemoryAccounts(), clock=lambda: now[0])


ATTEMPT = "a word of the device"


def test_the_same_attempt_is_answered_again_for_a_while_and_no_other_is(enrolling, now):
    code = enrolling.issue("pi-1", ttl_s=60.0).code
    first = enrolling.enrol(code, peer="a", attempt=ATTEMPT)
    now[0] += 800.0

    assert enrolling.enrol(code, peer="b", attempt=ATTEMPT) == first
    for other in ("", "a word of another one"):
        with pytest.raises(Conflict, match="used already"):
            enrolling.enrol(code, peer="a", attempt=other)
    now[0] += 200.0
    with pytest.raises(Conflict, match="used already"):
        enrolling.enrol(code, peer="a", attempt=ATTEMPT)


def test_a_device_that_was_replaced_since_is_not_answered_again(enrolling):
    code = enrolling.issue("pi-1", ttl_s=60.0).code
    enrolling.enrol(code, peer="a", attempt=ATTEMPT)
    enrolling.enrol(enrolling.issue("pi-1", ttl_s=60.0, replace=True).code, peer="a")

    with pytest.raises(Conflict, match="used already"):
        enrolling.enrol(code, peer="a", attempt=ATTEMPT)


def test_a_word_that_can_be_guessed_is_no_attempt(enrolling):
    with pytest.raises(InvalidInput, match="attempt"):
        enrolling.enrol(enrolling.issue("pi-1", ttl_s=60.0).code, peer="a", attempt="short")


def test_an_expired_code_says_so(enrolling, now):
    code = enrolling.issue("pi-1", ttl_s=60.0).code
    now[0] += 61.0

    with pytest.raises(Conflict, match="expired"):
        enrolling.enrol(code, peer="a")


def test_a_peer_that_guesses_is_refused_until_time_has_passed(enrolling, now):
    code = enrolling.issue("pi-1", ttl_s=3600.0).code
    for _ in range(10):
        with pytest.raises(NotFound):
            enrolling.enrol(WRONG, peer="a")

    with pytest.raises(Overloaded, match="too many wrong codes"):
        enrolling.enrol(code, peer="a")
    now[0] += 601.0
    assert enrolling.enrol(code, peer="a").device == "pi-1"


def test_one_peers_guesses_do_not_lock_out_another(enrolling):
    code = enrolling.issue("pi-1", ttl_s=60.0).code
    for _ in range(10):
        with pytest.raises(NotFound):
            enrolling.enrol(WRONG, peer="a")

    assert enrolling.enrol(code, peer="b").device == "pi-1"


def test_guessing_over_rest_ends_in_429(enrolment):
    statuses = [enrol(enrolment, WRONG).status_code for _ in range(11)]

    assert statuses == [404] * 10 + [429]


@pytest.mark.parametrize("code", ["", "short", "AAAAA-AAAAA-AAAAA", "AAAAA-AAAA!", "ÄÄÄÄÄ-ÄÄÄÄÄ", 7])
def test_what_can_be_no_code_is_400(enrolment, code):
    assert enrol(enrolment, code).status_code == 400


def test_codes_are_not_stored(enrolment):
    code = issue(enrolment)

    assert normalized(code) not in repr(vars(enrolment.store))
    assert code not in repr(vars(enrolment.store))


def test_a_registered_device_is_replaced_only_when_asked(enrolment):
    old = enrolment.device("pi-1")

    assert enrolment.call("POST", "/api/v1/enrolments", json={"device": "pi-1"}).status_code == 409
    new = enrol(enrolment, issue(enrolment, replace=True)).get_json()["device_token"]

    assert enrolment.call("GET", "/api/v1/bundles", token=old).status_code == 401
    assert enrolment.call("GET", "/api/v1/bundles", token=new).status_code == 200


def test_without_accounts_of_its_own_the_backend_passes_on_the_operators_password(settings):
    store = MemoryStore()
    enrolling = Enrolling(changed(settings, **SET_UP), store, NoAccounts())
    code = enrolling.issue("pi-1", ttl_s=60.0, broker_password="from the operator").code

    assert "from the operator" not in repr(vars(store))
    enrolled = enrolling.enrol(code, peer="a")
    assert (enrolled.broker_user, enrolled.broker_password) == ("pi-1", "from the operator")


def test_without_accounts_of_its_own_the_backend_asks_for_the_password(settings):
    with pytest.raises(InvalidInput, match="broker_password"):
        Enrolling(changed(settings, **SET_UP), MemoryStore(), NoAccounts()).issue("pi-1", ttl_s=60.0)


def test_a_password_that_nobody_needs_is_refused(enrolling):
    with pytest.raises(InvalidInput, match="leave 'broker_password' out"):
        enrolling.issue("pi-1", ttl_s=60.0, broker_password="x")


@pytest.mark.parametrize("missing", ["device_broker_url", "operator_public_key"])
def test_a_backend_that_is_not_set_up_names_the_setting(make_backend, missing):
    backend = make_backend(**MADE_HERE | {missing: ""})

    response = backend.call("POST", "/api/v1/enrolments", json={"device": "pi-1"})

    assert (response.status_code, missing in response.get_json()["error"]) == (409, True)


@pytest.mark.parametrize("ttl_s", [0, -1, 1e9])
def test_a_code_lives_between_a_second_and_a_week(enrolment, ttl_s):
    response = enrolment.call("POST", "/api/v1/enrolments", json={"device": "pi-1", "ttl_s": ttl_s})

    assert response.status_code == 400


def test_an_order_with_a_misspelt_field_issues_nothing(enrolment):
    response = enrolment.call("POST", "/api/v1/enrolments", json={"device": "pi-1", "ttl": 60})

    assert response.status_code == 400
    assert "'ttl' is not known here; known: device, ttl_s, broker_password, replace" in response.get_json()["error"]


def test_only_the_operator_issues(enrolment):
    response = enrolment.call("POST", "/api/v1/enrolments", token=enrolment.device("pi-2"), json={"device": "pi-1"})

    assert response.status_code == 403


@pytest.mark.parametrize("registered", [True, False])
def test_a_code_lets_nobody_in_once_its_device_is_removed(enrolment, registered):
    if registered:
        enrolment.device("pi-1")
    code = issue(enrolment, replace=True)

    assert enrolment.call("DELETE", "/api/v1/devices/pi-1").status_code == 204

    assert enrol(enrolment, code).status_code == 404
    assert enrolment.accounts.passwords == {}
    assert enrolment.store.devices() == []


def test_removing_a_device_removes_its_account(enrolment):
    enrol(enrolment, issue(enrolment))

    assert enrolment.call("DELETE", "/api/v1/devices/pi-1").status_code == 204

    assert enrolment.accounts.passwords == {}


def test_a_device_is_locked_out_at_once_and_its_account_goes_when_the_broker_is_back(enrolment):
    token = enrol(enrolment, issue(enrolment)).get_json()["device_token"]
    enrolment.accounts.away = True

    assert enrolment.call("DELETE", "/api/v1/devices/pi-1").status_code == 503
    assert enrolment.call("GET", "/api/v1/bundles", token=token).status_code == 401

    enrolment.accounts.away = False
    assert enrolment.call("DELETE", "/api/v1/devices/pi-1").status_code == 204
    assert enrolment.accounts.passwords == {}


def test_codes_differ_and_so_does_what_follows_from_them():
    codes = {new_code() for _ in range(50)}
    one, other = CodeSecrets("token"), CodeSecrets("another")

    assert len(codes) == 50
    code = codes.pop()
    derived = {one.digest(code), one.broker_password(code), other.digest(code), other.broker_password(code)}
    assert len(derived) == 4
    with pytest.raises(InvalidInput, match="another operator token"):
        other.open(one.seal("secret", code), code)
