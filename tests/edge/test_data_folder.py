"""The agent's folder of data: for one agent at a time, and said in one line where it cannot be used."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.data_folder import holding
from protocol.errors import InvalidInput

NOBODY = 65534

HOLDER = """
import sys
from pathlib import Path
from edge.data_folder import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_agent(folder: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


def test_two_agents_do_not_share_one_folder(tmp_path):
    folder = tmp_path / "data"
    with (
        another_agent(folder),
        pytest.raises(InvalidInput, match=f"{folder} is in use by another agent"),
        holding(folder),
    ):
        pass
    assert folder.is_dir()


def test_what_a_killed_agent_held_is_free_again(tmp_path):
    with another_agent(tmp_path) as killed:
        killed.kill()
        killed.wait()
        with holding(tmp_path):
            pass


def test_a_start_that_is_refused_leaves_no_folder_behind(tmp_path):
    with contextlib.suppress(InvalidInput), holding(tmp_path / "a" / "b"):
        raise InvalidInput("no such board")
    assert list(tmp_path.iterdir()) == []


def test_what_an_agent_kept_stays(tmp_path):
    with holding(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "jobs.json").write_text("{}")
    with holding(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b" / "jobs.json").read_text() == "{}"


def test_after_a_first_start_all_is_there_that_the_next_needs_on_a_full_disk(tmp_path):
    with holding(tmp_path / "data"):
        pass
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"bundles", "tables"}


def test_an_empty_folder_that_was_there_before_stays(tmp_path):
    with contextlib.suppress(InvalidInput), holding(tmp_path):
        raise InvalidInput("no such board")
    assert tmp_path.is_dir()


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """As a user who owns nothing, where the tests run as root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that others may look into, which pytest's are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_of_somebody_else_is_said_with_who_asks(open_folder):
    open_folder.chmod(0o555)
    said = rf"{open_folder} may not be written .*uid \d+.*chown"
    with without_rights(), pytest.raises(InvalidInput, match=said), holding(open_folder):
        pass


@pytest.mark.parametrize("name", ["tables", "bundles", "outbox.sqlite"])
def test_what_an_agent_of_another_user_left_is_named(open_folder, name):
    left = open_folder / name
    left.touch() if name.endswith("sqlite") else left.mkdir()
    left.chmod(0o555)
    open_folder.chmod(0o777)
    with without_rights(), pytest.raises(InvalidInput, match=f"{left} may not be written"), holding(open_folder):
        pass


def test_where_it_cannot_be_made_is_said(open_folder):
    open_folder.chmod(0o555)
    with without_rights(), pytest.raises(InvalidInput, match="cannot be made"), holding(open_folder / "data"):
        pass


def test_a_file_in_its_place_is_said(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(InvalidInput, match="data cannot be made"), holding(tmp_path / "data"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_or_broken_disk_does_not_keep_it_from_serving(tmp_path, monkeypatch, caplog, number):
    def refusing(**_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refusing)
    with holding(tmp_path):
        assert os.strerror(number) in caplog.text
