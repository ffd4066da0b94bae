"""The images, built from this tree and from Debian's packages: no registry is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack.engine import Engine

ROOT = Path(__file__).parents[3]
_HERE = Path(__file__).parent / "images"
_BASE = "base:python"
_BUILD_S = 500.0
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
IMAGES = {
    "BASE_IMAGE": _BASE,
    "CLOUD_IMAGE": "dynasplit-cloud",
    "EDGE_IMAGE": "dynasplit-edge",
    "MOSQUITTO_IMAGE": "debian-mosquitto",
    "POSTGRES_IMAGE": "debian-postgres",
}
"""What the stack's `.env` is told of them."""


def build(engine: Engine, folder: Path) -> None:
    """All images, on a Debian made here."""
    archive = folder / "base.tar"
    _make_base(archive)
    engine.docker("import", str(archive), _BASE, timeout_s=_BUILD_S)
    archive.unlink()
    context = _context(folder / "context")
    ours = [(context, ROOT / "Dockerfile", f"dynasplit-{part}", f"PART={part}") for part in ("cloud", "edge")]
    theirs = [(_HERE, _HERE / f"{name}.Dockerfile", f"debian-{name}") for name in ("mosquitto", "postgres")]
    with ThreadPoolExecutor(max_workers=2) as pool:  # downloads leave the cores idle
        list(pool.map(lambda made: _build(engine, *made), [*ours, *theirs]))


def _make_base(archive: Path) -> None:
    """Without manuals and translations, as slim images are."""
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv", *left_out]
    subprocess.run([*command, "bookworm", str(archive)], check=True, timeout=_BUILD_S)


def _context(folder: Path) -> Path:
    """What .dockerignore lets through, and the authorities that this machine trusts, which are not in the images then."""
    folder.mkdir()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder)
    shutil.copy(ROOT / ".dockerignore", folder)
    if _AUTHORITIES.exists():
        shutil.copy(_AUTHORITIES, folder / "ca.pem")
    return folder


def _build(engine: Engine, context: Path, dockerfile: Path, tag: str, *more: str) -> None:
    indexes = [
        f"{name}={os.environ[name]}" for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL") if os.environ.get(name)
    ]
    given = [f"--build-arg={each}" for each in (f"BASE={_BASE}", *indexes, *more)]
    places = ["--file", str(dockerfile), "--tag", tag, str(context)]
    engine.docker("build", "--network=host", *given, *places, timeout_s=_BUILD_S)
