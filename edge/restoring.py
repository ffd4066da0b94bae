"""Puts the device back after an agent that could not do it itself: killed, or crashed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from edge.settings import EdgeSettings, Places
from hardware import found_clocks
from hardware.accelerator import edge_tpu
from hardware.accelerator.edge_tpu import restore_power
from hardware.accelerator.hub_power import HubPower, Run, run_program
from hardware.cpufreq import restore_clocks
from hardware.found_clocks import FoundClocksFile
from protocol import settings as protocol_settings
from protocol.errors import DynaSplitError, InvalidInput

logger = logging.getLogger(__name__)


def restore(config: Path | None, *, environment: Mapping[str, str], run: Run = run_program) -> int:
    """What `dynasplit-edge --restore` does: 0 when all is as it was found, also when nothing had been changed; else the first
    error's exit code, with a line on stderr for each."""
    places = _places(config, environment)
    codes = _clocks(places), _port_power(places, run)
    return next((code for code in codes if code), 0)


def _clocks(places: Places) -> int:
    note = places.run_dir / found_clocks.FILE
    try:
        if restore_clocks(FoundClocksFile(note), places.sysfs):
            logger.info("the CPU clock is as it was found")
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-edge: the CPU clock is not put back: {error}\n")
        if isinstance(error, InvalidInput):
            sys.stderr.write(f"dynasplit-edge: reboot, or set the governor by hand and remove {note}\n")
        return error.exit_code
    return 0


def _port_power(places: Places, run: Run) -> int:
    try:
        if restore_power(places.run_dir / edge_tpu.NOTE, HubPower(run)):
            logger.info("the Edge TPU's port has its power again")
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit-edge: the Edge TPU's port stays without power: {error}\n")
        return error.exit_code
    return 0


def _places(config: Path | None, environment: Mapping[str, str]) -> Places:
    """As the agent has them. Settings that cannot be read may be why it did not run: then the usual places."""
    usual = protocol_settings.load(Places, toml=None, environment=environment)
    if config is None:
        return usual
    try:
        settings = protocol_settings.load(EdgeSettings, toml=config, environment=environment)
    except DynaSplitError as error:
        logger.warning("what is to be put back is looked for in %s: %s", usual.run_dir, error)
        return usual
    return Places(settings.run_dir, settings.sysfs)
