"""Watching something in the backend: what a trouble of the moment costs, and what is refused."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound, Overloaded, ServiceMissing
from tools.cli import main
from tools.watching import Watch


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def answers(*given):
    """Gives or raises one after the other."""
    left = list(given)

    def ask():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def watched(*given) -> int:
    return Watch(1000.0).until(lambda found: found == 3, answers(*given), unsettled=str)


def test_a_backend_that_restarts_meanwhile_is_told_of_once_and_asked_again(slept, capsys):
    assert watched(1, ServiceMissing("database away"), ServiceMissing("database away"), 2, 3) == 3
    assert capsys.readouterr().err.count("database away; asking again") == 1


def test_a_backend_that_asks_for_patience_gets_it(slept):
    watched(1, Overloaded("too much", retry_after_s=30.0), 3)
    assert 30.0 in slept


def test_one_that_never_answered_is_not_waited_for(slept):
    with pytest.raises(ServiceMissing, match="nobody there"):
        watched(ServiceMissing("nobody there"), 3)
    assert slept == []


def test_what_is_gone_ends_the_watch(slept):
    with pytest.raises(NotFound):
        watched(1, NotFound("no such job"), 3)


def test_it_asks_less_often_while_nothing_changes(slept):
    watched(1, 1, 1, 1, 1, 3)
    assert slept == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_the_time_to_wait_is_kept(slept):
    with pytest.raises(ServiceMissing, match="still at 1"):
        Watch(0.0).until(lambda found: found == 3, answers(1), unsettled=lambda found: f"still at {found}")


@pytest.mark.parametrize(
    "words",
    [["job", "watch", "pi-1", "j1"], ["push", "table.json", "--key", "k"], ["table", "compute", "n", "--device", "d"]],
)
@pytest.mark.parametrize("wait", ["nan", "-5"])
def test_what_is_no_time_is_refused_in_one_line(words, wait, capsys):
    assert main([*words, "--backend", "http://127.0.0.1:9", "--token", "t", f"--wait={wait}"]) == 2
    assert "--wait must be 0 or more seconds" in capsys.readouterr().err
