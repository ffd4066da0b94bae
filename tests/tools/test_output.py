"""Where results go, and what is never replaced by them."""

from __future__ import annotations

import argparse
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from protocol.errors import InvalidInput
from tools.cli import main
from tools.output import check_json_target, check_paths, check_target, write_bytes, write_text


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path):
    pipe, contents = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: contents.append(pipe.read_bytes()))
    reader.start()

    write_text(pipe, "figures")
    reader.join()

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [item.name for item in tmp_path.iterdir()] == ["pipe"]
    assert contents == [b"figures"]


def test_a_device_is_written_into_and_not_replaced(tmp_path, monkeypatch):
    device = tmp_path / "null"
    device.write_bytes(b"")
    before = device.stat()
    monkeypatch.setattr("tools.output.stat.S_ISCHR", lambda _mode: True)

    write_bytes(device, b"figures")

    assert device.stat().st_ino == before.st_ino
    assert device.read_bytes() == b"figures"


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.json").write_text("old")
    for name, target in (("old.json", "elsewhere/kept.json"), ("new.json", "elsewhere/made.json")):
        (tmp_path / name).symlink_to(target)
        write_text(tmp_path / name, "new")

    assert (tmp_path / "old.json").is_symlink()
    assert (tmp_path / "new.json").is_symlink()
    assert (tmp_path / "elsewhere" / "kept.json").read_text() == "new"
    assert (tmp_path / "elsewhere" / "made.json").read_text() == "new"


def test_what_nothing_can_be_written_to_is_refused_before_and_after_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("circle").symlink_to("circle")
    Path("nowhere").symlink_to("missing/file")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in (".", "socket", "circle", "nowhere"):
            with pytest.raises(InvalidInput, match=f"cannot write {name}") as refusal:
                check_json_target(name)
            with pytest.raises(InvalidInput, match=f"cannot write {name}"):
                write_text(Path(name), "figures")
            assert "\n" not in str(refusal.value)
    check_target(Path("new.json"))


@pytest.mark.parametrize(
    "given",
    [
        {"measurements": "mine.csv", "output": Path("mine.csv")},
        {"measurements": "sqlite:///mine.csv", "output": Path("mine.csv")},
        {"accuracy": Path("mine.csv"), "json": "link.csv"},
        {"tables": [Path("other.json"), Path("mine.csv")], "plot": Path("mine.csv")},
        {"output": Path("same.json"), "json": "./same.json"},
        {"output": Path("same.svg"), "plot": Path("same.svg"), "json": "-"},
        {"path": Path("key"), "json": "key"},
        {"network": "net.keras", "output": Path("net.tflite"), "json": "net.keras"},
        {"output": Path("-")},
    ],
)
def test_an_output_never_takes_the_place_of_an_input_or_of_another_output(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("mine")
    Path("link.csv").symlink_to("mine.csv")

    with pytest.raises(InvalidInput, match=r"^--(json|plot|output) "):
        check_paths(argparse.Namespace(**given))


def test_different_files_and_one_pipe_for_all_are_no_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")

    check_paths(argparse.Namespace(measurements="a.csv", output=Path("b.json"), plot=Path("c.svg"), json="-"))
    check_paths(argparse.Namespace(measurements="a.csv", output=Path("pipe"), json="pipe", network="b"))
    check_paths(argparse.Namespace(network="digits", output=Path("digits")))


def test_a_verb_refuses_before_it_reads(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("not even measurements")

    assert main(["optimize", "--measurements", str(path), "-o", str(path)]) == 2

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "mine.csv is named by another option as well" in told
    assert path.read_text() == "not even measurements"
