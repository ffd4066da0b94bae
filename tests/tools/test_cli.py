"""Every verb answers bad input with one line and the right exit code."""

from __future__ import annotations

import argparse
import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from models.zoo import digits_vgg
from protocol.signing import generate_private_key, public_key_of
from tools import infer, profile_device
from tools.cli import VERBS, main
from tools.stack import free_port
from tools.tokens import agent_token

ROOT = Path(__file__).parents[2]


def _one_line(capsys) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_the_help_lists_every_verb_and_the_readme_none_that_is_not_there(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert set(re.findall(r"^    (\S+)", text, re.MULTILINE)) >= set(VERBS)


@pytest.mark.system
@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_also_runs_as_a_module(verb: str):
    result = subprocess.run(
        [sys.executable, "-m", VERBS[verb], "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    assert f"dynasplit {verb}" in result.stdout


def test_a_key_pair_is_made_once_and_kept(tmp_path, capsys):
    path = tmp_path / "operator.key"

    assert main(["keys", str(path)]) == 0
    first = capsys.readouterr().out.strip()
    assert main(["keys", str(path)]) == 0

    assert capsys.readouterr().out.strip() == first == public_key_of(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "no key at all", "AAAA"])
def test_a_file_that_holds_no_key_is_refused(tmp_path, capsys, content):
    path = tmp_path / "operator.key"
    path.write_text(content)
    assert main(["keys", str(path)]) == 2
    assert "private key" in _one_line(capsys)
    assert path.read_text() == content


@pytest.fixture
def key(tmp_path) -> Path:
    path = tmp_path / "operator.key"
    path.write_text(generate_private_key())
    return path


@pytest.mark.parametrize("content", [None, "", "[]", '{"schema": 1}', '{"schema": 99}', "\x00"])
def test_pushing_what_is_no_table_is_refused(tmp_path, key, capsys, content):
    table = tmp_path / "table.json"
    if content is not None:
        table.write_text(content)
    assert main(["push", str(table), "--backend", "http://127.0.0.1:1", "--key", str(key)]) == 2
    assert "table" in _one_line(capsys)


def test_a_backend_that_is_away_is_told_with_its_address(capsys, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["optimize", "--measurements", url, "-o", str(tmp_path / "t.json")]) == 4
    assert url in _one_line(capsys)


def test_an_agent_that_is_away_is_told_with_its_address(capsys, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["infer", str(tmp_path / "x.png"), "--network", "net", "--agent", url]) == 4
    assert url in _one_line(capsys)


def test_an_address_without_a_scheme_is_refused(capsys, tmp_path):
    assert main(["infer", str(tmp_path / "x.png"), "--network", "net", "--agent", "localhost:8600"]) == 2
    assert "http://" in _one_line(capsys)


def test_profiling_a_folder_that_is_no_bundle_is_refused(capsys, tmp_path):
    arguments = ["--backend", "http://127.0.0.1:1", "--agent", "http://127.0.0.1:1"]
    assert main(["profile", str(tmp_path), *arguments]) == 2
    assert "bundle" in _one_line(capsys)


@pytest.mark.parametrize("extra", [["--repeats", "0"], ["--codecs", "zip"], ["--run", ""]])
def test_profiling_options_are_checked_before_anything_is_done(capsys, tmp_path, extra):
    arguments = ["profile", str(tmp_path), "--backend", "http://127.0.0.1:1", "--agent", "http://127.0.0.1:1", *extra]
    assert main(arguments) == 2
    _one_line(capsys)


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is none of ours."""

    def do_GET(self) -> None:
        body = b"<html>hello</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def stranger():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_is_none_of_ours_is_refused_in_one_line(capsys, tmp_path, stranger):
    assert main(["infer", str(tmp_path / "x.png"), "--network", "net", "--agent", stranger]) == 2
    assert "not valid JSON" in _one_line(capsys)


def test_json_goes_to_stdout_alone(tmp_path, capsys):
    assert main(["keys", str(tmp_path / "operator.key"), "--json", "-"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["made"] is True


def test_a_folder_that_cannot_be_written_is_told(capsys, tmp_path):
    assert main(["keys", str(tmp_path / "no" / "such" / "operator.key")]) == 2
    assert "cannot write" in _one_line(capsys)


def test_a_json_target_that_cannot_be_written_is_told_before_anything_starts(capsys):
    assert main(["demo", "--requests", "1", "--json", "/nowhere/result.json"]) == 2
    assert "/nowhere/result.json" in _one_line(capsys)


@pytest.mark.parametrize("wait", ["-1", "nan", "inf"])
def test_a_wait_that_is_none_is_refused(tmp_path, key, capsys, wait):
    arguments = [
        "push",
        str(tmp_path / "t.json"),
        "--backend",
        "http://127.0.0.1:1",
        "--key",
        str(key),
        f"--wait={wait}",
    ]
    assert main(arguments) == 2
    assert "--wait" in _one_line(capsys)


@pytest.mark.parametrize("token", ["€", "two\nlines", "a\rb"])
def test_a_token_that_cannot_be_one_is_refused_and_not_printed(capsys, tmp_path, token):
    arguments = [
        "infer",
        str(tmp_path / "x.png"),
        "--network",
        "net",
        "--agent",
        "http://127.0.0.1:1",
        "--token",
        token,
    ]
    assert main(arguments) == 2
    assert token not in _one_line(capsys)


def test_a_network_name_that_would_break_urls_is_refused(capsys, tmp_path):
    assert main(["cut", str(digits_vgg()), "-o", str(tmp_path / "bundle"), "--name", "a/b"]) == 2
    assert "'a/b'" in _one_line(capsys)
    assert not (tmp_path / "bundle").exists()


def test_a_reader_that_went_away_ends_a_command_quietly(tmp_path):
    command = f"{sys.executable} -m tools.keys {tmp_path / 'k'} --json - | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["infer", "x.png", "--network", "net", "--agent", "http://127.0.0.1:1"],
        ["job", "restart", "pi-1", "--backend", "http://127.0.0.1:1"],
        ["enroll", "--issue", "pi-1", "--backend", "http://127.0.0.1:1"],
        ["push", "table.json", "--backend", "http://127.0.0.1:1", "--key", "k"],
        ["keys", "new.key"],
    ],
    ids=lambda words: words[0],
)
def test_what_could_not_be_told_is_not_done(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--json", str(tmp_path / "nodir" / "facts.json")]) == 2
    assert "cannot write" in _one_line(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["infer", "x.png"], ["explain"]], ids=lambda words: words[0])
def test_a_name_that_no_network_has_is_refused_before_anybody_is_asked(capsys, words):
    assert main([*words, "--network", "a/b", "--agent", "http://127.0.0.1:1"]) == 2
    assert "--network 'a/b' must be" in _one_line(capsys)


@pytest.mark.parametrize("deadline", ["nan", "inf", "0", "-5"])
def test_a_deadline_that_is_none_is_refused_before_anybody_is_asked(capsys, tmp_path, deadline):
    arguments = ["infer", str(tmp_path / "x.png"), "--network", "net", "--agent", "http://127.0.0.1:1"]
    assert main([*arguments, f"--deadline={deadline}"]) == 2
    assert "--deadline must be" in _one_line(capsys)


def test_checking_no_inputs_is_refused(capsys, tmp_path):
    assert main(["cut", str(digits_vgg()), "-o", str(tmp_path / "bundle"), "--check", "0"]) == 2
    assert "--check" in _one_line(capsys)


def test_a_table_that_cannot_be_used_is_named_with_a_remedy(capsys, tmp_path, key):
    table = tmp_path / "table.json"
    table.write_text('{"schema": 1, "rows": []}')
    assert main(["push", str(table), "--backend", "http://127.0.0.1:1", "--key", str(key)]) == 2
    told = _one_line(capsys)
    assert str(table) in told
    assert "dynasplit optimize" in told


@pytest.mark.parametrize(("verb", "extra"), [("inspect", "tools"), ("demo", "demo"), ("convert", "convert")])
def test_a_verb_that_is_not_installed_names_the_smallest_extra_that_has_it(monkeypatch, capsys, verb, extra):
    monkeypatch.setitem(VERBS, verb, "not_installed")

    assert main([verb, "--whatever", "is asked"]) == 4
    assert f"needs the package 'not_installed', which is not installed: pip install '.[{extra}]'" in _one_line(capsys)
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "(not installed here: needs 'not_installed')" in capsys.readouterr().out


def test_a_device_and_the_backend_may_each_have_a_token_of_its_own(monkeypatch):
    monkeypatch.setenv("DYNASPLIT_OPERATOR_TOKEN", "of-the-backend")
    parser = argparse.ArgumentParser()
    profile_device.add_arguments(parser)
    addresses = ["bundle", "--backend", "http://b", "--agent", "http://a"]

    same = parser.parse_args(addresses)
    own = parser.parse_args([*addresses, "--agent-token", "of-the-device"])

    assert (same.token, agent_token(same)) == ("of-the-backend", "of-the-backend")
    assert (own.token, agent_token(own)) == ("of-the-backend", "of-the-device")


def test_the_backends_token_is_not_shown_to_a_device_that_wants_none(monkeypatch):
    monkeypatch.setenv("DYNASPLIT_OPERATOR_TOKEN", "of-the-backend")
    parser = argparse.ArgumentParser()
    infer.add_arguments(parser)

    assert parser.parse_args(["image.png", "--network", "n"]).token == ""
