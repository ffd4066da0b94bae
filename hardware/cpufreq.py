"""The CPU's clock through the kernel's cpufreq (Documentation/admin-guide/pm/cpufreq.rst): `policyN/` folders, in kHz."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from hardware.board import ClockNotApplied
from hardware.clock import Clock, Sleep
from hardware.cpufreq_policy import Policy, PolicySettings
from hardware.found_clocks import FoundClocks, RememberedClocks
from hardware.sysfs import SYSFS, Write, write_text
from protocol.errors import DynaSplitError, InvalidInput, NotFound

logger = logging.getLogger(__name__)

CPUFREQ = Path("devices/system/cpu/cpufreq")

_SETTLES_WITHIN_S = 0.2
_LOOK_EVERY_S = 0.005


class CpuFrequency:
    """Holds the CPUs at exactly one clock, and puts everything back. Not thread-safe.

    Of several policies (groups of CPUs with one clock) the one that goes highest leads: its clocks are the ladder, and
    each other policy runs at the highest of its own that is not above, so that a clock always means the same state of the
    whole processor. CPUs may be taken offline and come back at any time.

    `sys` is the root of sysfs, `write` writes one of its files, and `found` remembers what the CPUs were set to before
    anything was changed.
    """

    def __init__(
        self,
        sys: Path = SYSFS,
        *,
        found: FoundClocks | None = None,
        write: Write = write_text,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._folder = sys / CPUFREQ
        self._found = found or RememberedClocks()
        self._write = write
        self._clock = clock
        self._sleep = sleep
        self._known: dict[str, Policy] = {}
        if not self.policies():
            raise NotFound(
                f"{self._folder} holds no policy: nobody can set the CPU clock here, as in most virtual machines"
            )

    def ladder_khz(self) -> tuple[int, ...]:
        """The clocks of the leading policy, ascending."""
        return self._leader().clocks_khz()

    def running_khz(self) -> int:
        """The clock that the leading policy runs at now."""
        return self._leader().running_khz()

    def holds(self, khz: int) -> bool:
        """Whether the CPUs that are online run at a clock of the ladder now, each policy as near as it can."""
        try:
            return all(policy.runs_at(policy.nearest_khz(khz)) for policy in [*self._known.values()] if policy.online())
        except DynaSplitError:
            return False

    def check_rights(self) -> None:
        """NotAllowed, before anything is changed, when this process may not set the clock, or not note what it found."""
        self._found.check()
        for policy in self.policies():
            policy.check_rights()

    def hold(self, khz: int) -> int:
        """Holds all CPUs at a clock of the ladder and gives the clock once it was read back.

        Raises ClockNotApplied when a policy runs at another clock, NotAllowed when this process may not set it or may not
        note what it found. What was found is noted before the first change.
        """
        policies = self.policies()
        self._note(policies)
        held = [(policy, own_khz) for policy in policies if (own_khz := _hold(policy, khz)) is not None]
        if khz not in (own_khz for _, own_khz in held):
            raise ClockNotApplied(
                f"no CPU that is online has the clock {khz} kHz; bring those that have it back online"
            )
        for policy, own_khz in held:
            self._await(policy, own_khz)
        return khz

    def restore(self) -> None:
        """Puts governor and limits back as they were before the first `hold`, also that of a process that was killed.

        When the kernel refuses one policy, the others are put back all the same; then the first refusal is raised. What
        could not be put back stays noted, as do policies that are offline: the kernel gives them what was set last when
        they return. InvalidInput when the note is damaged.
        """
        found = self._found.read()
        left: dict[str, PolicySettings] = {}
        failures: list[DynaSplitError] = []
        for name, settings in found.items():
            try:
                if not _put_back(self._policy(name), settings):
                    left[name] = settings
            except DynaSplitError as error:
                left[name] = settings
                failures.append(error)
        if left != found:
            self._found.write(left)
        if failures:
            raise failures[0]

    def policies(self) -> list[Policy]:
        """All that are there now, by number."""
        names = [path.name for path in self._folder.glob("policy*") if path.name.removeprefix("policy").isdigit()]
        names.sort(key=lambda name: int(name.removeprefix("policy")))
        return [policy for policy in map(self._policy, names) if policy.online()]

    def _policy(self, name: str) -> Policy:
        return self._known.setdefault(name, Policy(self._folder / name, self._write))

    def _leader(self) -> Policy:
        policies = self.policies()
        if not policies:
            raise ClockNotApplied(f"{self._folder} holds no policy any more: all its CPUs are offline")
        return max(policies, key=lambda policy: policy.clocks_khz()[-1])

    def _note(self, policies: Iterable[Policy]) -> None:
        """What a killed process has noted wins over what is read now, which is that process's own doing."""
        try:
            noted = self._found.read()
        except InvalidInput as error:
            logger.warning("the CPU clock will be put back as it is now, perhaps left by a killed agent: %s", error)
            noted = {}
        new = {policy.name: policy.settings() for policy in policies if policy.name not in noted}
        if new:
            self._found.write({**noted, **new})

    def _await(self, policy: Policy, khz: int) -> None:
        """Some governors take up new limits only at their next tick."""
        deadline_s = self._clock() + _SETTLES_WITHIN_S
        while not policy.runs_at(khz):
            if self._clock() >= deadline_s:
                raise ClockNotApplied(
                    f"{policy.name} was set to {khz} kHz but {policy.state()}: "
                    "firmware, heat or another program holds the clock",
                    reached_khz=policy.reached_khz(),
                )
            self._sleep(_LOOK_EVERY_S)


def restore_clocks(found: FoundClocks, sys: Path = SYSFS, *, write: Write = write_text) -> bool:
    """Puts back what a killed process has left; False when it left nothing. Errors as of `CpuFrequency` and its `restore`."""
    if not found.read():
        return False
    CpuFrequency(sys, found=found, write=write).restore()
    return True


def _hold(policy: Policy, khz: int) -> int | None:
    """The clock of its own that it was set to; None when it went offline meanwhile."""
    try:
        own_khz = policy.nearest_khz(khz)
        policy.hold(own_khz)
    except ClockNotApplied:
        if policy.online():
            raise
        return None
    return own_khz


def _put_back(policy: Policy, settings: PolicySettings) -> bool:
    """False when it is offline."""
    try:
        policy.put_back(settings)
    except ClockNotApplied:
        if policy.online():
            raise
        return False
    return True
