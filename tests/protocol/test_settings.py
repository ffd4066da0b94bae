from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.errors import InvalidInput
from protocol.settings import load


@dataclass(frozen=True)
class Example:
    name: str
    folder: Path
    port: int = 1
    ratio: float = 0.5
    quick: bool = False
    limit: float | None = None


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "example.toml"
    path.write_text('name = "from file"\nfolder = "/x"\nport = 2\nratio = 3\n')
    return path


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(toml: Path):
    environment = {"DYNASPLIT_PORT": "7", "DYNASPLIT_QUICK": "true", "DYNASPLIT_LIMIT": "2.5"}
    assert load(Example, toml=toml, environment=environment) == Example("from file", Path("/x"), 7, 3.0, True, 2.5)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("colour = 1", "unknown setting 'colour'"),
        ('port = "x"', "'port'"),
        ("port = true", "'port'"),
        ("port = ", "TOML"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str):
    path = tmp_path / "bad.toml"
    path.write_text(line)
    with pytest.raises(InvalidInput, match=complaint):
        load(Example, toml=path, environment={})


@pytest.mark.parametrize("text", ['""', '"  "', r'"a\u0000b"', "7"])
def test_what_is_no_path_is_named(tmp_path: Path, text: str):
    path = tmp_path / "bad.toml"
    path.write_text(f'name = "x"\nfolder = {text}\n')
    with pytest.raises(InvalidInput, match="'folder'"):
        load(Example, toml=path, environment={})


def test_an_empty_path_in_the_environment_is_named(toml: Path):
    with pytest.raises(InvalidInput, match="DYNASPLIT_FOLDER is empty"):
        load(Example, toml=toml, environment={"DYNASPLIT_FOLDER": ""})


def test_a_missing_setting_says_where_to_put_it():
    with pytest.raises(InvalidInput, match=r"'name' is missing: .*DYNASPLIT_NAME"):
        load(Example, toml=None, environment={"DYNASPLIT_FOLDER": "/x"})


@pytest.mark.parametrize("variable", ["DYNASPLIT_PORT", "DYNASPLIT_QUICK", "DYNASPLIT_RATIO"])
def test_a_bad_variable_is_named(toml: Path, variable: str):
    with pytest.raises(InvalidInput, match=variable):
        load(Example, toml=toml, environment={variable: "many"})


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"nowhere\.toml cannot be read"):
        load(Example, toml=tmp_path / "nowhere.toml", environment={})


@pytest.mark.parametrize(
    ("variable", "text"), [("RATIO", "nan"), ("RATIO", "1e999"), ("PORT", "9" * 5000), ("NAME", "\udcff")]
)
def test_values_that_are_not_finite_or_not_text_are_named(toml: Path, variable: str, text: str):
    with pytest.raises(InvalidInput, match=f"DYNASPLIT_{variable}"):
        load(Example, toml=toml, environment={f"DYNASPLIT_{variable}": text})


@pytest.mark.parametrize("line", ["ratio = nan", "limit = inf", "ratio = " + "9" * 400, "port = " + "9" * 5000])
def test_numbers_beyond_all_bounds_are_refused_in_a_file(tmp_path: Path, line: str):
    path = tmp_path / "bad.toml"
    path.write_text(line)
    with pytest.raises(InvalidInput, match=str(path)):
        load(Example, toml=path, environment={})


def test_variables_of_other_processes_are_left_alone(toml: Path):
    assert load(Example, toml=toml, environment={"DYNASPLIT_COLOUR": "red"}).name == "from file"
