"""Files that are made once: found while they are whole, checked once per boot, the least recently used dropped first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from models.running import seal
from models.running.seal import check_and_seal, is_sealed, seal_of
from models.running.sealed_files import SealedFiles

LATER_NS = 10_000_000_000


@pytest.fixture
def boot_id(tmp_path: Path) -> Path:
    path = tmp_path / "boot_id"
    path.write_text("first-boot\n")
    return path


@pytest.fixture
def checked(tmp_path: Path, boot_id: Path) -> Path:
    """A file that was found sound, ten seconds after it was written."""
    path = tmp_path / "packed"
    path.write_bytes(b"weights")
    assert check_and_seal(path, lambda _: True, boot_id=boot_id, now_ns=lambda: time.time_ns() + LATER_NS)
    return path


def test_a_file_that_was_checked_is_sealed_until_the_next_boot(checked, boot_id):
    assert is_sealed(checked, boot_id=boot_id)

    boot_id.write_text("second-boot\n")

    assert not is_sealed(checked, boot_id=boot_id)


def changed(path: Path) -> None:
    path.write_bytes(b"weighty")


def changed_with_its_time_set_back(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"weighty")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced(path: Path) -> None:
    beside = path.with_name("beside")
    beside.write_bytes(b"weights")
    beside.replace(path)


def truncated(path: Path) -> None:
    os.truncate(path, 3)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [changed, changed_with_its_time_set_back, replaced, truncated, removed])
def test_any_change_breaks_the_seal(checked, boot_id, change):
    # A kernel stamps in steps of some milliseconds; the file is written once more until the stamp has moved on.
    stamp = checked.stat().st_ctime_ns
    change(checked)
    while checked.exists() and checked.stat().st_ctime_ns == stamp:
        changed_with_its_time_set_back(checked)

    assert not is_sealed(checked, boot_id=boot_id)


def test_a_file_that_is_not_sound_gets_no_seal(tmp_path, boot_id):
    path = tmp_path / "packed"
    path.write_bytes(b"weights")

    assert not check_and_seal(path, lambda _: False, boot_id=boot_id, now_ns=lambda: time.time_ns() + LATER_NS)

    assert not seal_of(path).exists()


def test_a_file_that_changed_just_now_is_not_sealed_yet(tmp_path, boot_id):
    path = tmp_path / "packed"
    path.write_bytes(b"weights")

    assert check_and_seal(path, lambda _: True, boot_id=boot_id)

    assert not is_sealed(path, boot_id=boot_id)


def test_where_boots_cannot_be_told_apart_nothing_is_sealed(tmp_path):
    path = tmp_path / "packed"
    path.write_bytes(b"weights")

    assert check_and_seal(path, lambda _: True, boot_id=tmp_path / "none", now_ns=lambda: time.time_ns() + LATER_NS)

    assert not is_sealed(path, boot_id=tmp_path / "none")


def test_a_seal_with_strange_content_is_none(checked, boot_id):
    seal_of(checked).write_bytes(b"\xff\xfe")

    assert not is_sealed(checked, boot_id=boot_id)


def test_a_sealed_file_is_found_without_being_read(tmp_path, monkeypatch):
    files = SealedFiles(tmp_path, ".packed")
    files.build("net", lambda path: path.write_bytes(b"weights"))
    monkeypatch.setattr(seal, "_SETTLED_NS", -1)
    found = files.find("net")
    assert found is not None

    monkeypatch.setattr(SealedFiles, "_name", None)

    assert files.find("net") == found


def test_the_least_recently_used_goes_first(tmp_path, monkeypatch):
    files = SealedFiles(tmp_path, ".packed", keep_files=2)
    monkeypatch.setattr(seal, "_SETTLED_NS", -1)
    for age, key in enumerate(("second", "first")):
        files.build(key, lambda path: path.write_bytes(b"weights"))
        for path in tmp_path.glob(f"{key}-*.packed"):
            os.utime(path, (1000 - age, 1000 - age))
    files.find("first")

    files.build("third", lambda path: path.write_bytes(b"weights"))

    assert files.find("first")
    assert files.find("third")
    assert not files.is_there("second")
    assert len(list(tmp_path.glob("*.seal"))) == 2


def test_files_are_kept_up_to_a_size(tmp_path):
    files = SealedFiles(tmp_path, ".packed", keep_bytes=25)
    for key in ("one", "two", "three"):
        files.build(key, lambda path: path.write_bytes(b"0123456789"))
        for path in tmp_path.glob(f"{key}-*"):
            os.utime(path, (len(key), ["one", "two", "three"].index(key)))

    assert len(list(tmp_path.iterdir())) == 2
    assert files.is_there("three")


def test_one_file_stays_even_where_it_is_too_large(tmp_path):
    files = SealedFiles(tmp_path, ".packed", keep_bytes=5)

    files.build("one", lambda path: path.write_bytes(b"0123456789"))

    assert files.find("one")


def test_a_maker_that_writes_nothing_leaves_nothing(tmp_path):
    assert SealedFiles(tmp_path, ".packed").build("net", lambda _: "made") == ("made", None)
    assert list(tmp_path.iterdir()) == []
