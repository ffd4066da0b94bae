"""What several contracts need: empty databases, and a PostgreSQL server of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def _programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest version that is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which("pg_ctl")
    if found:
        folders.append(Path(found).resolve().parent)
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.skip("no PostgreSQL here: apt-get install postgresql")


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/contract.sqlite"
    return str(request.getfixturevalue("postgresql")())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    return _url(request, tmp_path)


@pytest.fixture(params=["memory", *DATABASES])
def database_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The same, and None for an implementation that lives in memory."""
    return None if request.param == "memory" else _url(request, tmp_path)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A private cluster on a unix socket; gives the URL of a fresh database at each call."""
    programs, rights = _programs(), _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="dynasplit-pg-"))
    if rights:
        shutil.chown(folder, rights["user"], rights["group"])
    data = folder / "data"

    def run(program: str, *arguments: object) -> None:
        command = [programs / program, "-D", data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **rights)

    options = f"-k {folder} -c listen_addresses= -c fsync=off -c log_min_messages=fatal"
    try:
        run("initdb", "-U", "tester", "-A", "trust", "--no-sync")
        run("pg_ctl", "-o", options, "-l", folder / "log", "-w", "start")
        yield _fresh_databases(folder)
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def _fresh_databases(socket_folder: Path) -> Callable[[], str]:
    numbers = iter(range(1_000_000))

    def fresh() -> str:
        name = f"db{next(numbers)}"
        engine = sa.create_engine(f"postgresql+psycopg://tester@/postgres?host={socket_folder}")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return f"postgresql://tester@/{name}?host={socket_folder}"

    return fresh
