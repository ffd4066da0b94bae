"""What the device has spent since it was set up, over restarts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance, choose
from protocol.documents import canonical_bytes, check_schema, field, parse_object
from protocol.errors import DynaSplitError, InvalidInput

logger = logging.getLogger(__name__)

SCHEMA = 1
_STEP_J = 360.0
"""A tenth of a watt hour: a Pi at 4 W writes it every minute and a half."""

_J_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Spent:
    """Power now, None while the meter is lost; energy so far, and what stands behind it."""

    watts: float | None
    kwh: float
    kinds: tuple[Provenance, ...]


class EnergyTotal:
    """Joules of the whole device while the agent ran. For one thread at a time.

    Only what is on disk is told, so that the total never goes back, not even over a power cut. It is written each time it has
    grown by a tenth of a watt hour: a cut costs no more than that. Between two looks it counts by the meter's counter, else by
    the mean of both powers, which is an estimate, as is a count over a loss of the meter. Where the file cannot be read the
    total begins at 0.
    """

    def __init__(self, meter: PowerMeter, path: Path) -> None:
        self._meter = meter
        self._path = path
        self._last: Reading | None = None
        self._failing = False
        self._told_j, self._kinds = self._stored()
        self._joules = self._told_j

    def look(self) -> Spent:
        """Counts on to now."""
        try:
            reading = self._meter.read()
        except MeterLost as error:
            logger.debug("no power is told: %s", error)
            return Spent(None, self._told_j / _J_PER_KWH, self._sorted_kinds)
        if self._last is not None:
            self._count(self._last, reading)
        self._last = reading
        if self._joules - self._told_j >= _STEP_J:
            self._write()
        return Spent(reading.watts, self._told_j / _J_PER_KWH, self._sorted_kinds)

    def close(self) -> None:
        """Keeps the exact total."""
        if self._joules > self._told_j:
            self._write()

    def _count(self, before: Reading, now: Reading) -> None:
        if before.joules is not None and now.joules is not None and now.joules >= before.joules:
            self._joules += now.joules - before.joules
            guessed = now.gaps > before.gaps
        else:
            self._joules += (before.watts + now.watts) / 2 * max(0.0, now.at_s - before.at_s)
            guessed = True
        kind = self._meter.provenance
        self._kinds.add(Provenance.ESTIMATED if guessed and kind is Provenance.MEASURED else kind)

    @property
    def _sorted_kinds(self) -> tuple[Provenance, ...]:
        return tuple(kind for kind in Provenance if kind in self._kinds)

    def _write(self) -> None:
        content = {"schema": SCHEMA, "joules": self._joules, "kinds": [kind.value for kind in self._sorted_kinds]}
        try:
            durable.replace_content(self._path, canonical_bytes(content) + b"\n")
        except OSError as error:
            if not self._failing:
                logger.error("the energy total stands still, since it cannot be kept: %s", error)
            self._failing = True
            return
        self._failing, self._told_j = False, self._joules

    def _stored(self) -> tuple[float, set[Provenance]]:
        what = str(self._path)
        try:
            content = parse_object(self._path.read_bytes(), what=what)
            check_schema(content, current=SCHEMA, what=what)
            joules: float = field(content, "joules", float, what=what)
            if joules < 0:
                raise InvalidInput(f"{what}: joules must be 0 or more, not {joules:g}")
            kinds = field(content, "kinds", list, what=what)
            return joules, {choose(Provenance, kind, what=f"{what}: 'kinds'") for kind in kinds}
        except FileNotFoundError:
            return 0.0, set()
        except (DynaSplitError, OSError) as error:
            logger.error("the energy total begins at 0, since what was kept cannot be read: %s", error)
            durable.set_aside(self._path)
            return 0.0, set()
