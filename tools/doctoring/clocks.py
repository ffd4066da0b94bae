"""The board and its clocks: which it is, which clocks it has, and whether this user may set them. Nothing is set."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from hardware import found_clocks
from hardware.cpufreq import CpuFrequency
from hardware.cpufreq_policy import Policy
from hardware.found_clocks import FoundClocksFile
from hardware.linux_board import ladder_on
from hardware.profile import GENERIC, BoardProfile, profile_of
from protocol.errors import DynaSplitError, InvalidInput, NotAllowed, NotFound
from tools.doctoring.device import Device
from tools.doctoring.findings import Finding, warning, well

_RESTORE = "put it back: dynasplit-edge --restore --config edge.toml (the shipped unit does so by itself)"


def check_clocks(device: Device, *, agent_runs: bool = False) -> Iterator[Finding]:
    """Which board this is, its clocks, the right to set them, how they stand, and what a killed agent has left."""
    if device.emulated:
        yield well("board", f"{device.board}: its clocks and its power are emulated, not this machine's")
        return
    try:
        profile = profile_of(device.board, device.sys)
    except NotFound as unknown:
        yield device.obstacle("board", str(unknown), "correct the setting 'board'")
        return
    yield _board(device, profile)
    try:
        frequency = CpuFrequency(device.sys)
        policies = frequency.policies()
        yield from _ladder(device, profile, frequency.ladder_khz())
    except DynaSplitError as obstacle:
        yield device.obstacle("clock", str(obstacle), "set 'board' to emulated-pi4 for a trial, or use a real device")
        return
    yield _rights(device, frequency)
    yield from _standing(policies, agent_runs=agent_runs)
    yield from _left_behind(device.run_dir / found_clocks.FILE, agent_runs=agent_runs)


def _board(device: Device, profile: BoardProfile) -> Finding:
    if profile.name == GENERIC:
        return well("board", "not one that has a profile: its clocks are taken as they are, its power is not known")
    how = "recognised" if device.board == GENERIC else "by the setting 'board'"
    return well("board", f"{profile.title} ({how})")


def _ladder(device: Device, profile: BoardProfile, offered: Sequence[int]) -> Iterator[Finding]:
    ladder = ladder_on(profile, offered)
    seen = f"{len(ladder)} clocks, {ladder[0]} to {ladder[-1]} kHz"
    if unused := len(offered) - len(ladder):
        seen += f"; {unused} lower ones on offer are never reached and not used"
    if lacking := sorted(set(profile.clocks_khz) - set(ladder)):
        seen += f"; a {profile.title} should have {', '.join(map(str, lacking))} as well"
        yield warning("clock", seen, "see arm_freq and arm_freq_min in /boot/firmware/config.txt")
        return
    yield well("clock", seen)
    try:
        if device.settings:
            device.settings.limits.allowed_khz(ladder)
    except InvalidInput as none:
        yield device.obstacle("clock", str(none), "widen the settings 'min_clock_khz' and 'max_clock_khz'")


def _rights(device: Device, frequency: CpuFrequency) -> Finding:
    """By opening the kernel's files for writing, which changes nothing."""
    try:
        frequency.check_rights()
    except NotAllowed as refusal:
        return device.obstacle("clock", f"user {_user()} may not set it", str(refusal))
    if device.settings and (folder := _closed(device.run_dir)):
        return device.obstacle(
            "clock",
            f"user {_user()} may not note how it was found in {folder}",
            "start the agent by the shipped unit (RuntimeDirectory=dynasplit), or set another 'run_dir'",
        )
    return well("clock", f"user {_user()} may set it")


def _closed(folder: Path) -> Path | None:
    """The folder, or the one that it would be made in, where this user may not write there."""
    place = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return None if os.access(place, os.W_OK | os.X_OK) else place


def _standing(policies: Sequence[Policy], *, agent_runs: bool) -> Iterator[Finding]:
    for policy in policies:
        settings = policy.settings()
        way = "the governor userspace" if policy.offers_userspace() else "limits (min = max)"
        seen = (
            f"{policy.name}: governor {settings.governor}, {settings.min_khz} to {settings.max_khz} kHz, "
            f"{policy.state()}; an exact clock is held by {way}"
        )
        held = settings.governor == "userspace" or settings.min_khz == settings.max_khz
        if held and not agent_runs:
            yield warning("clock", f"{seen}; something holds it", _RESTORE)
        else:
            yield well("clock", seen)


def _left_behind(note: Path, *, agent_runs: bool) -> Iterator[Finding]:
    if agent_runs:
        return
    try:
        left = FoundClocksFile(note).read()
    except DynaSplitError as damaged:
        yield warning("clock", str(damaged), f"look at it as the agent's user, or set the governor and remove {note}")
        return
    if left:
        governors = ", ".join(f"{name} had {settings.governor}" for name, settings in left.items())
        yield warning("clock", f"a killed agent has left it changed ({governors})", _RESTORE)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
