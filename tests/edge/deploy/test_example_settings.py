"""The example of `edge.toml`: every setting is in it, explained, at its default."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

import edge
from edge.settings import EdgeSettings
from protocol import settings

EXAMPLE = Path(edge.__file__).parent / "deploy" / "edge.toml"
FIELDS = {field.name: field for field in dataclasses.fields(EdgeSettings)}
DEFAULTS = {name: field.default for name, field in FIELDS.items() if field.default not in (dataclasses.MISSING, None)}
"""A file cannot say None: such a setting stands there with an example."""


@pytest.fixture
def everything(tmp_path) -> Path:
    """The example with nothing commented out."""
    path = tmp_path / "edge.toml"
    path.write_text(re.sub(r"^# (?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    return path


def test_it_loads_as_it_is():
    assert settings.load(EdgeSettings, toml=EXAMPLE, environment={}).device == "camera-7"


def test_every_setting_is_in_it_and_no_other(everything):
    assert set(tomllib.loads(everything.read_text())) == set(FIELDS)


def test_what_is_commented_out_stands_at_its_default(everything):
    loaded = settings.load(EdgeSettings, toml=everything, environment={})

    assert {name: getattr(loaded, name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", FIELDS)
def test_each_setting_is_explained_above_it(name):
    above = EXAMPLE.read_text().partition(f"{name} = ")[0].rstrip("# ").splitlines()

    before = above[-1]
    follows_another = re.match(r"#? ?\w+ = ", before)
    assert follows_another or (before.startswith("# ") and len(before) > 20)
