"""Questions that are answered, refused, or neither."""

from __future__ import annotations

import threading

import pytest

from cloud.asking import Asking
from cloud.waiting import WithoutWaiting, WouldWait, about_to_wait
from protocol.errors import ServiceMissing


@pytest.fixture
def goes_on():
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_is_given_and_an_error_raised():
    asking = Asking()

    assert asking.ask("a", lambda: 7, patience_s=30) == 7
    with pytest.raises(TimeoutError, match="its own"):
        asking.ask("a", lambda: (_ for _ in ()).throw(TimeoutError("its own")), patience_s=30)


def test_the_same_question_is_asked_once_at_a_time(goes_on):
    asking, asked = Asking(), []

    def load() -> int:
        asked.append(1)
        goes_on.wait(30)
        return 7

    for _ in range(4):
        with pytest.raises(ServiceMissing):
            asking.ask("a", load, patience_s=0.0)
    goes_on.set()

    assert asking.ask("a", load, patience_s=30) == 7
    assert len(asked) <= 2


def test_a_source_that_says_nothing_holds_nobody_and_few_threads(goes_on):
    asking = Asking(most=3)

    for key in range(3):
        with pytest.raises(ServiceMissing, match="has not answered for 0 s"):
            asking.ask(key, lambda: goes_on.wait(30), patience_s=0.0)
    with pytest.raises(ServiceMissing, match="3 questions"):
        asking.ask("one more", lambda: 7, patience_s=30)
    with pytest.raises(ServiceMissing, match="has not answered"):
        asking.ask(0, lambda: 7, patience_s=0.0)


def test_who_must_not_wait_asks_nothing():
    asked: list[str] = []

    with pytest.raises(WouldWait), WithoutWaiting():
        Asking().ask("key", lambda: asked.append("key"), patience_s=30)

    assert asked == []
    about_to_wait()


def test_where_no_thread_can_be_started_the_store_is_missing_until_one_can(monkeypatch):
    asking = Asking()

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ServiceMissing, match="cannot be asked: can't start new thread"):
            asking.ask("ready", lambda: 7, patience_s=30)

    assert asking.ask("ready", lambda: 7, patience_s=30) == 7
