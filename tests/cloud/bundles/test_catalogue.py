"""What a worker process knows of bundles that another one changed."""

from __future__ import annotations

import pytest

from cloud.bundles.catalogue import Catalogue
from cloud.store.memory import MemoryStore
from protocol.errors import NotFound, ServiceMissing

A, B = "a" * 64, "b" * 64


class Leaving(MemoryStore):
    """A store that can go away, and counts what it is asked."""

    away = False
    asked = 0

    def bundles(self):
        self.asked += 1
        if self.away:
            raise ServiceMissing("away")
        return super().bundles()


@pytest.fixture
def store() -> Leaving:
    made = Leaving()
    made.add_bundle(A, network="digits")
    return made


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def catalogue(store, now) -> Catalogue:
    return Catalogue(store, clock=lambda: now[0])


def test_the_store_is_asked_once_a_second(catalogue, store, now):
    for _ in range(5):
        catalogue.find("digits", digest=A)
    assert store.asked == 1

    now[0] = 1.5
    catalogue.find("digits", digest=A)

    assert store.asked == 2


def test_what_was_just_added_elsewhere_is_found(catalogue, store):
    catalogue.find("digits")

    store.add_bundle(B, network="faces")

    assert catalogue.find("faces").digest == B
    assert catalogue.find("faces", digest=B).version == 1


def test_what_was_just_loaded_elsewhere_is_found(catalogue, store):
    store.set_loaded([A], loaded=False)
    with pytest.raises(NotFound, match="unloaded"):
        catalogue.find("digits")

    store.set_loaded([A], loaded=True)

    assert catalogue.find("digits").digest == A


def test_known_bundles_serve_while_the_store_is_away(catalogue, store, now):
    catalogue.find("digits")

    store.away, now[0] = True, 1000.0

    assert catalogue.find("digits").digest == A
