"""After a job: the board as it was found, once no request runs on it."""

from __future__ import annotations

from collections.abc import Callable

from edge.device.controller import Controller
from edge.requests.turns import Claim, Turns


def settling(turns: Turns, controller: Controller) -> Callable[[], None]:
    """What puts the board back; it waits for its turn, as a request without a deadline does, however
    many wait already. Errors as `Board.restore`."""

    def settle() -> None:
        with turns.turn(Claim(insists=True)):
            controller.restore()

    return settle
