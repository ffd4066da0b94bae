"""The doctor looks at how the agent is installed: who may read its secrets, its unit, its authority."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import edge
from tools import doctor
from tools.doctoring.authority import check_authority
from tools.doctoring.findings import Severity
from tools.doctoring.secrets_kept import check_secrets
from tools.doctoring.service_unit import UNIT, check_service

SHIPPED = Path(edge.__file__).parent / "deploy" / UNIT


@pytest.mark.parametrize(
    ("mode", "severity"), [(0o600, Severity.WELL), (0o640, Severity.WARNING), (0o644, Severity.ERROR)]
)
def test_settings_that_others_may_read_are_told_by_how_grave_it_is(tmp_path, mode, severity):
    config = tmp_path / "edge.toml"
    config.touch(mode)
    config.chmod(mode)

    (found,) = check_secrets(config)

    assert found.severity is severity


def test_a_private_key_on_the_device_is_a_warning(tmp_path):
    for name in ("edge.toml", "operator.key"):
        (tmp_path / name).touch(0o600)

    *_, found = check_secrets(tmp_path / "edge.toml")

    assert found.severity is Severity.WARNING
    assert "operator.key" in found.seen


@pytest.fixture
def root(tmp_path):
    """A machine that systemd runs, with the shipped unit, started at boot."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    folder = tmp_path / "etc/systemd/system"
    (folder / "multi-user.target.wants").mkdir(parents=True)
    (folder / UNIT).write_text(SHIPPED.read_text())
    (folder / "multi-user.target.wants" / UNIT).symlink_to(folder / UNIT)
    return tmp_path


def severity_of(root):
    (found,) = check_service(root)
    return found.severity


def test_the_shipped_unit_is_well(root):
    assert severity_of(root) is Severity.WELL


def test_a_machine_without_systemd_is_not_looked_at(tmp_path):
    assert list(check_service(tmp_path)) == []


def test_a_missing_unit_and_one_that_is_not_enabled_are_warnings(root):
    (root / "etc/systemd/system/multi-user.target.wants" / UNIT).unlink()
    assert severity_of(root) is Severity.WARNING

    (root / "etc/systemd/system" / UNIT).unlink()
    assert severity_of(root) is Severity.WARNING


def test_a_drop_in_that_takes_the_watchdog_away_is_a_warning(root):
    drop = root / f"etc/systemd/system/{UNIT}.d/override.conf"
    drop.parent.mkdir()
    drop.write_text("[Service]\nWatchdogSec=0\n")

    (found,) = check_service(root)

    assert found.severity is Severity.WARNING
    assert "WatchdogSec" in found.seen


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_an_authority_that_cannot_be_used_is_an_error(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    (found,) = check_authority(path)

    assert found.severity is Severity.ERROR
    assert "enroll" in found.advice


@pytest.mark.parametrize(
    ("years", "severity"), [(0.0, Severity.WARNING), (100.0, Severity.ERROR), (-10.0, Severity.WELL)]
)
def test_an_authority_that_ends_is_told_before(certificates, years, severity):

    (found,) = check_authority(certificates / "ca.pem", wall=lambda: time.time() + years * 365 * 86_400)

    assert found.severity is severity


def test_settings_that_this_user_may_not_look_at_are_still_the_installed_ones(tmp_path, hide):
    settings = tmp_path / "edge.toml"
    hide(settings)
    assert doctor.installed(settings) == settings
    assert doctor.installed(tmp_path / "other.toml") is None
