"""The reference names everything that there is, and nothing that there is not."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from cloud.settings import BackendSettings, IngestSettings
from edge.settings import EdgeSettings
from protocol import topics
from tools.cli import VERBS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}")[2].partition("\n## ")[0]


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_option_of_every_verb_is_described(verb: str):
    text = (DOCS / "reference" / "cli.md").read_text()
    section = _section(text, verb)
    parser = argparse.ArgumentParser()
    importlib.import_module(VERBS[verb]).add_arguments(parser)
    missing = [
        action.option_strings
        for action in parser._actions
        if action.option_strings
        and not any(option in section + text.partition("##")[0] for option in action.option_strings)
    ]
    assert [options for options in missing if "--help" not in options] == []


def test_no_verb_is_described_that_does_not_exist():
    text = (DOCS / "reference" / "cli.md").read_text()
    assert set(re.findall(r"^## (\S+)$", text, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize(
    ("heading", "settings"), [("Agent", EdgeSettings), ("Backend", BackendSettings), ("Ingest", IngestSettings)]
)
def test_every_setting_is_described_and_no_other(heading: str, settings: type):
    section = _section((DOCS / "reference" / "settings.md").read_text(), heading)
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert described == {field.name for field in dataclasses.fields(settings)}


def test_every_topic_is_described():
    text = (DOCS / "reference" / "topics.md").read_text()
    for topic in (topics.availability("d"), topics.telemetry("d"), topics.ack("d")):
        assert f"`{topic.rpartition('/')[2]}`" in text
    for topic in (topics.desired("d", "n"), topics.reported("d", "n")):
        assert f"`table/{topic.split('/')[4]}/<network>`" in text


@pytest.mark.parametrize(
    "page", [*DOCS.rglob("*.md"), ROOT / "README.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_table_has_a_head(page: Path):
    """An empty line within one ends it: what follows is drawn as plain text."""
    lines = ["", *page.read_text().splitlines(), ""]
    begun = [at for at, line in enumerate(lines) if line.startswith("|") and not lines[at - 1].startswith("|")]
    assert [lines[at] for at in begun if not lines[at + 1].startswith("|-")] == []
