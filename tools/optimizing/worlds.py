"""Where a search measures: in what was recorded, or on the device through its agent."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from planner.averages import asked_for
from planner.recording import Recorded
from planner.searching.campaign import Measurer
from planner.searching.recorded import RecordedTrials
from planner.space import Space
from protocol.configuration import Configuration
from protocol.errors import BundleMismatch, InvalidInput, NotFound
from protocol.measurement import Measurement

if TYPE_CHECKING:
    from models.bundle import Bundle
    from protocol.tensors import Array
    from tools.agent import Agent

logger = logging.getLogger(__name__)


Origin = tuple[str, str, str]
"""Network, device and bundle of measurements."""


@dataclass(frozen=True, eq=False)
class World:
    """A space, a measurer for it, and the measurements that are there already. `origin`: network, device and bundle.

    `sampled`: there is more in the space than was ever measured, so gaps are no fault. `live`: what is there counts as
    measured, else it is what may be asked for. `skipped`: lines that cannot be.
    """

    space: Space
    measurer: Measurer
    there: tuple[Measurement, ...]
    origin: Origin
    sampled: bool = False
    live: bool = False
    skipped: tuple[str, ...] = ()
    places: Mapping[Hashable, str] = field(default_factory=dict)

    def place_of(self, measurement: Measurement) -> str:
        """Where it stands, as in `file.csv:12`; empty where that is nowhere."""
        return self.places.get(_identity(measurement), "")


def recorded_world(recorded: Recorded, *, seed: int) -> World:
    """What a search may ask of a recording: one trial of each configuration, drawn by the seed."""
    usable, first = [item for item in recorded.measurements if not item.throttled], recorded.measurements[0]
    return World(
        space=recorded.space,
        measurer=RecordedTrials(usable, np.random.default_rng(seed)),
        there=recorded.measurements,
        origin=(first.network, first.device, first.bundle),
        sampled=recorded.sampled,
        skipped=recorded.skipped,
        places={_identity(item): where for item, where in zip(recorded.measurements, recorded.where, strict=True)},
    )


def _identity(measurement: Measurement) -> Hashable:
    """What tells measurements apart, also after they went through a database."""
    return measurement.configuration, measurement.cost.latency_ms, measurement.cost.head_ms, measurement.at


def within(space: Space, measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """Those of configurations that the space holds, without those that were throttled."""
    configurations = set(space.configurations())
    return tuple(item for item in measurements if not item.throttled and asked_for(item) in configurations)


class OnDevice:
    """A campaign's `Measurer` on a device: runs each configuration through its agent, and keeps what came out at once.

    A configuration that the device refuses gives nothing. ServiceMissing when the agent is away for minutes.
    """

    def __init__(
        self,
        agent: Agent,
        bundle: Bundle,
        inputs: Array,
        *,
        repeats: int,
        run: str,
        keep: Callable[[Measurement], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._agent = agent
        self._bundle = bundle
        self._inputs = inputs
        self._repeats = repeats
        self._run = run
        self._keep = keep
        self._sleep = sleep

    def measure(self, configuration: Configuration) -> Sequence[Measurement]:
        from tools.profile_device import measure

        found = []
        try:
            for item in measure(
                self._agent,
                self._bundle,
                [configuration],
                self._inputs,
                repeats=self._repeats,
                run=self._run,
                step=lambda: None,
                sleep=self._sleep,
            ):
                self._keep(item)
                found.append(item)
        except (InvalidInput, NotFound) as refusal:
            logger.warning("%s cannot be measured: %s", configuration, refusal)
        return found


class Keeper:
    """A file of measurements as JSON lines that grows by one whenever one is measured; an interrupted search goes on with it.

    `before` holds what was in it. InvalidInput where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.before = _read_kept(path)
        self._append("")

    def keep(self, measurement: Measurement) -> None:
        self._append(json.dumps(measurement.to_json()) + "\n")

    def check(self, bundle: str, device: str) -> None:
        """BundleMismatch or InvalidInput where it holds measurements of something else."""
        for item in self.before:
            if item.bundle != bundle:
                raise BundleMismatch(f"{self._path} holds measurements of bundle {item.bundle:.12}, not {bundle:.12}")
            if item.device != device:
                raise InvalidInput(f"{self._path} holds measurements of device {item.device}, not {device}")

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a") as file:
                file.write(text)
        except OSError as error:
            raise InvalidInput(f"cannot write {self._path}: {error.strerror}") from error


def _read_kept(path: Path) -> tuple[Measurement, ...]:
    """What is in a file of JSON lines; a last line that was cut short by an interruption is taken out of the file."""
    from protocol.documents import parse_object
    from tools.output import read_text, write_text

    if not path.exists():
        return ()
    text = read_text(path, what="measurements")
    if not text.endswith("\n") and text:
        text = text[: text.rfind("\n") + 1]
        write_text(path, text)
    return tuple(
        Measurement.from_json(parse_object(line, what=f"{path}:{number}"), what=f"{path}:{number}")
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    )
