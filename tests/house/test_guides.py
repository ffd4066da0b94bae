"""What the guides tell people to type is what the commands take."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from cloud.settings import BackendSettings, IngestSettings
from edge.settings import EdgeSettings
from tools import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "benchmarks.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
CALL = re.compile(r"(?:sudo |\w+=\S+ )*(?:\S*/)?dynasplit (?=(?:[a-z]+-?)+ )(.*)")
BESIDE_SETTINGS = {
    *("SETTINGS_FILE", "BIND", "WORKERS", "GRACEFUL_S"),  # of gunicorn's settings
    *("BACKEND_BROKER_PASSWORD", "INGEST_BROKER_PASSWORD"),  # of cloud.broker.initial
    *("HEALTH_URL", "AGENT_TOKEN", "REFERENCE"),  # of the containers' health check, the tools, the tests
}


def commands(page: Path) -> list[str]:
    """What follows `dynasplit` on lines of code, without their comments."""
    lines = [line.partition("  #")[0].strip() for line in re.sub(r"\\\n", "", page.read_text()).splitlines()]
    return [part for line in lines if (call := CALL.fullmatch(line)) for part in call[1].split(" && dynasplit ")]


@pytest.mark.parametrize(
    ("page", "command"),
    [pytest.param(page, command, id=f"{page.stem}-{command}") for page in PAGES for command in commands(page)],
)
def test_a_command_that_a_guide_tells_to_type_is_understood(page: Path, command: str):
    words = shlex.split(re.sub(r"<\w+>", "1", command))
    cli._parser(words).parse_args(words)


@pytest.mark.parametrize(
    "file", [*PAGES, ROOT / "docker-compose.yml", ROOT / ".env.example"], ids=lambda file: str(file.relative_to(ROOT))
)
def test_an_environment_variable_that_is_named_has_a_meaning(file: Path):
    settings = {
        field.name.upper() for each in (BackendSettings, IngestSettings, EdgeSettings) for field in fields(each)
    }
    named = set(re.findall(r"\bDYNASPLIT_(\w+)", file.read_text()))
    assert named <= settings | BESIDE_SETTINGS
