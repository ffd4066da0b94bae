"""A PostgreSQL server of one's own: on a unix socket, in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from protocol.errors import ServiceMissing


@contextmanager
def cluster(*, durable: bool = True) -> Iterator[str]:
    """The URL of its first, empty database. Without `durable` what was committed does not outlive a power cut.

    ServiceMissing when PostgreSQL's programs are not there.
    """
    programs, rights = _programs(), _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="dynasplit-pg-"))
    data = folder / "data"

    def run(program: str, *arguments: object) -> None:
        command: list[Any] = [programs / program, "-D", data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **rights)

    options = f"-k {folder} -c listen_addresses= -c log_min_messages=fatal{'' if durable else ' -c fsync=off'}"
    try:
        if rights:
            shutil.chown(folder, rights["user"], rights["group"])
        run("initdb", "-U", "tester", "-A", "trust", "--no-sync")
        run("pg_ctl", "-o", options, "-l", folder / "log", "-w", "start")
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest version that is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    if found := shutil.which("pg_ctl"):
        folders.append(Path(found).resolve().parent)
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise ServiceMissing("no PostgreSQL here: apt-get install postgresql")


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
