"""What every store of enrolments must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.enrolments.port import Enrolment
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from protocol.errors import Conflict, NotFound

CODE = Enrolment("c" * 64, "pi-1", replace=False, sealed_password="", expires_at=100.0)


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def test_a_code_is_known_by_its_digest(store):
    store.add_enrolment(CODE, forget_before=0.0)

    assert store.enrolment(CODE.code_digest) == CODE
    assert store.enrolment("d" * 64) is None


def test_using_a_code_registers_its_device(store):
    store.add_enrolment(CODE, forget_before=0.0)

    store.use_enrolment(CODE.code_digest, token_sha256="1" * 64, at=50.0)

    assert store.device_with_token("1" * 64) == "pi-1"
    assert store.enrolment(CODE.code_digest) == replace(CODE, used_at=50.0)


def test_a_code_is_used_once(store):
    store.add_enrolment(replace(CODE, replace=True), forget_before=0.0)
    store.use_enrolment(CODE.code_digest, token_sha256="1" * 64, at=50.0)

    with pytest.raises(Conflict, match="used already, for 'pi-1'"):
        store.use_enrolment(CODE.code_digest, token_sha256="2" * 64, at=60.0)

    assert store.device_with_token("2" * 64) is None
    assert store.device_with_token("1" * 64) == "pi-1"


def test_a_registered_device_is_not_replaced_unasked_and_the_code_stays_good(store):
    store.add_device("pi-1", token_sha256="0" * 64)
    store.add_enrolment(CODE, forget_before=0.0)

    with pytest.raises(Conflict, match="registered"):
        store.use_enrolment(CODE.code_digest, token_sha256="1" * 64, at=50.0)

    assert store.enrolment(CODE.code_digest) == CODE
    assert store.device_with_token("0" * 64) == "pi-1"


def test_a_registered_device_gets_a_new_token_where_that_was_asked_for(store):
    store.add_device("pi-1", token_sha256="0" * 64)
    store.add_enrolment(replace(CODE, replace=True), forget_before=0.0)

    store.use_enrolment(CODE.code_digest, token_sha256="1" * 64, at=50.0)

    assert (store.device_with_token("0" * 64), store.device_with_token("1" * 64)) == (None, "pi-1")


def test_of_two_that_use_a_code_at_once_one_gets_it(store):
    store.add_enrolment(replace(CODE, replace=True), forget_before=0.0)
    barrier, refused = threading.Barrier(2), []

    def use(token: str) -> None:
        barrier.wait(20)
        try:
            store.use_enrolment(CODE.code_digest, token_sha256=token, at=50.0)
        except Conflict:
            refused.append(token)

    threads = [threading.Thread(target=use, args=(number * 64,)) for number in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(refused) == 1
    assert store.device_with_token(refused[0]) is None


def test_codes_that_expired_long_ago_are_forgotten(store):
    store.add_enrolment(CODE, forget_before=0.0)

    store.add_enrolment(replace(CODE, code_digest="d" * 64, expires_at=900.0), forget_before=500.0)

    assert store.enrolment(CODE.code_digest) is None


def test_a_new_code_takes_back_those_of_its_device_that_were_not_used(store):
    used, new, other = (replace(CODE, code_digest=name * 64) for name in "une")
    other = replace(other, device="pi-2")
    store.add_enrolment(used, forget_before=0.0)
    store.use_enrolment(used.code_digest, token_sha256="1" * 64, at=50.0)
    store.add_enrolment(replace(CODE, replace=True), forget_before=0.0)
    store.add_enrolment(other, forget_before=0.0)

    store.add_enrolment(replace(new, replace=True), forget_before=0.0)

    assert store.enrolment(CODE.code_digest) is None
    assert store.enrolment(used.code_digest) == replace(used, used_at=50.0)
    assert store.enrolment(other.code_digest) == other
    with pytest.raises(NotFound, match="taken back"):
        store.use_enrolment(CODE.code_digest, token_sha256="2" * 64, at=60.0)
    assert store.device_with_token("1" * 64) == "pi-1"


@pytest.mark.parametrize("registered", [True, False])
def test_retiring_a_device_takes_back_its_code(store, registered):
    if registered:
        store.add_device("pi-1", token_sha256="0" * 64)
    store.add_enrolment(replace(CODE, replace=True), forget_before=0.0)
    store.add_enrolment(replace(CODE, code_digest="e" * 64, device="pi-2"), forget_before=0.0)

    store.remove_device("pi-1", at=9.0)

    assert store.enrolment(CODE.code_digest) is None
    assert store.enrolment("e" * 64) is not None
    assert store.device("pi-1") is None
    with pytest.raises(NotFound):
        store.remove_device("pi-1", at=9.0)
