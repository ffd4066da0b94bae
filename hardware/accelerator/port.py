"""The Edge TPU port: which clocks it offers, whether it is there, and what must be done before and after it is used."""

from __future__ import annotations

from typing import Protocol

from protocol.configuration import EdgeAccelerator


class EdgeTpu(Protocol):
    """One Edge TPU beside a board. Thread-safe."""

    @property
    def modes(self) -> tuple[EdgeAccelerator, ...]:
        """What the board can be set to: OFF first, then the clocks for which a library is there. It stays so while the
        TPU is away."""
        ...

    def present(self) -> bool:
        """Whether it can be reached now, or would be once it is woken. Costs some ten microseconds: ask as often as needed."""
        ...

    def wake(self) -> None:
        """Makes it ready for work; costs next to nothing when it is.

        Raises AcceleratorFailed when it is not on the bus, or does not come back there in time after its power was on again.
        """
        ...

    def rest(self) -> None:
        """There is no work for it at the moment, so that its power may be cut some time later. Never raises."""
        ...

    def restore(self) -> None:
        """Gives it back its power. Safe to call at any time, and more than once; never raises."""
        ...


def set_awake(tpu: EdgeTpu | None, accelerator: EdgeAccelerator) -> None:
    """What a board does that is set to an accelerator; errors as `wake`."""
    if tpu is None:
        return
    if accelerator is EdgeAccelerator.OFF:
        tpu.rest()
    else:
        tpu.wake()
