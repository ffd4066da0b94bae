"""`dynasplit cloud-env`: what the stack reads, with secrets of its own."""

from __future__ import annotations

import dataclasses
import re
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from cloud.settings import BackendSettings, IngestSettings
from protocol.errors import InvalidInput
from protocol.signing import check_public_key
from tools.certificates.authority import hosts_of
from tools.cli import main
from tools.cloud_env import filled

ROOT = Path(__file__).parents[2]
SECRETS = ("DYNASPLIT_OPERATOR_TOKEN", "DATABASE_PASSWORD", "BROKER_PASSWORD", "INGEST_BROKER_PASSWORD")


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> int:
    return main(["cloud-env", "--directory", str(folder), "--key", str(folder / "operator.key"), *arguments])


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def test_every_secret_is_made_and_none_twice(folder):
    assert make(folder) == 0
    made = values((folder / ".env").read_text())
    assert len({made[name] for name in SECRETS}) == len(SECRETS)
    assert all(re.fullmatch("[0-9a-f]{64}", made[name]) for name in SECRETS)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_devices_are_told_the_host_that_the_certificates_are_for(folder):
    assert make(folder, "--host", "cloud.example", "--publish", "0.0.0.0", "--busy-watts", "35") == 0
    made = values((folder / ".env").read_text())
    assert made["DYNASPLIT_DEVICE_BROKER_URL"] == "mqtts://cloud.example:8883"
    assert (made["PUBLISH_ADDRESS"], made["DYNASPLIT_NODE_BUSY_WATTS"]) == ("0.0.0.0", "35")
    check_public_key(made["DYNASPLIT_OPERATOR_PUBLIC_KEY"], what="the key")
    for server in ("backend", "broker"):
        assert "cloud.example" in hosts_of((folder / "certs" / f"{server}.pem").read_bytes())


def test_an_env_that_is_there_is_left_alone(folder, capsys):
    (folder / ".env").write_text("MINE=1\n")
    assert make(folder) == 2
    assert "is there already" in capsys.readouterr().err
    assert (folder / ".env").read_text() == "MINE=1\n"
    assert not (folder / "certs").exists()


def test_a_key_that_is_there_is_used(folder):
    assert main(["keys", str(folder / "operator.key")]) == 0
    before = (folder / "operator.key").read_text()
    assert make(folder) == 0
    assert (folder / "operator.key").read_text() == before


@pytest.mark.parametrize("arguments", [["--busy-watts", "0"], ["--busy-watts", "nan"], ["--host", "http://a"]])
def test_what_cannot_be_is_refused_before_anything_is_made(folder, arguments, capsys):
    assert make(folder, *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".env.example"]


def test_a_folder_without_the_example_is_named(tmp_path, capsys):
    assert make(tmp_path) == 2
    assert ".env.example" in capsys.readouterr().err


def test_every_key_of_the_example_is_read_and_every_key_that_is_read_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    compose = (ROOT / "docker-compose.yml").read_text()
    read = set(re.findall(r"\$\{([A-Z_]+)", compose))
    assert set(values(example)) - {"COMPOSE_PROJECT_NAME"} == read - {"CLOUD_IMAGE", "EDGE_IMAGE"}
    passed_on = set(re.findall(r"^ +(DYNASPLIT_[A-Z_]+):$", compose, re.M))
    assert set(re.findall(r"^#(DYNASPLIT_[A-Z_]+)=", example, re.M)) == passed_on


def test_what_is_passed_on_are_settings():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for service, kind in (("backend", BackendSettings), ("ingest", IngestSettings)):
        known = {f"DYNASPLIT_{field.name.upper()}" for field in dataclasses.fields(kind)}
        passed_on = {name for name, value in compose[service]["environment"].items() if value is None}
        assert passed_on <= known | {"DYNASPLIT_GRACEFUL_S"}, "settings, or what gunicorn's are"


def test_an_example_of_another_version_is_refused():
    with pytest.raises(InvalidInput, match="no line NEW="):
        filled("OLD=1\n", {"NEW": "2"})
