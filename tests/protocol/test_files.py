"""Files that people name: what never ends or never begins is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.accuracy.samples import read_arrays
from models.card import read_card
from models.network import tflite
from models.network.structure import verify_file
from protocol.errors import InvalidInput
from protocol.files import open_regular, read_regular
from tools.output import read_text


@pytest.fixture(params=["device", "pipe"])
def special(request, tmp_path):
    if request.param == "device":
        return Path("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_the_content_of_a_regular_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")

    assert read_regular(tmp_path / "file", limit_bytes=7) == b"content"
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"content"


def test_a_device_and_a_pipe_are_refused_in_words(special):
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(special)


def test_a_folder_and_a_missing_file_are_told_as_ever(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nothing")


def test_more_than_the_limit_is_refused_unread(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(OSError, match="more than 2 MiB"):
        read_regular(tmp_path / "huge", limit_bytes=2 << 20)


def test_a_file_that_tells_no_size_is_read():
    assert read_regular(Path("/proc/self/status")).startswith(b"Name")


@pytest.mark.parametrize(
    "reader",
    [
        tflite.read,
        verify_file,
        read_card,
        read_arrays,
        lambda path: read_text(path, what="table"),
    ],
    ids=["network", "flatbuffer", "card", "arrays", "text"],
)
def test_whoever_reads_a_users_file_says_so_in_one_line(reader, special):
    with pytest.raises((InvalidInput, OSError), match="not a regular file"):
        reader(special)
