"""`python -m cloud.database.migrate`: the step before a new version is started."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from cloud.database.migrate import main


@pytest.fixture
def variables(monkeypatch) -> pytest.MonkeyPatch:
    for name in ("DATABASE_URL", "DYNASPLIT_DATABASE_URL", "DYNASPLIT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["DATABASE_URL", "DYNASPLIT_DATABASE_URL"])
def test_the_schema_is_brought_up_to_date_once_and_again(variables, tmp_path, name):
    variables.setenv(name, f"sqlite:///{tmp_path}/store.sqlite")

    assert [main([]), main([])] == [0, 0]

    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database:
        assert database.execute("SELECT COUNT(*) FROM alembic_version").fetchone() == (1,)


def test_a_data_folder_is_enough(variables, tmp_path):
    variables.setenv("DYNASPLIT_DATA_DIR", str(tmp_path))
    assert main([]) == 0
    assert (tmp_path / "dynasplit.sqlite").is_file()


def test_without_an_address_one_line_says_what_is_missing(variables, capsys):
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_database_that_is_away_is_told_apart_and_its_password_kept(variables, capsys):
    variables.setenv("DATABASE_URL", "postgresql://dynasplit:hidden@127.0.0.1:1/dynasplit")
    assert main([]) == 4
    said = capsys.readouterr().err
    assert (said.count("\n"), "hidden" in said) == (1, False)
