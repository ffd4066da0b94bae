"""What the images are built from: this tree as a clone has it, and a Debian made of packages. No registry is asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from stack.engine import Engine

ROOT = Path(__file__).parents[3]
BUILD_S = 500.0
_HERE = Path(__file__).parent / "images"
OVERRIDE = _HERE / "building.yml"
"""Goes beside docker-compose.yml."""
IMAGES = {
    "BASE_IMAGE": "base:python",
    "CLOUD_IMAGE": "dynasplit-cloud",
    "DEBIAN_IMAGES": str(_HERE),
    "EDGE_IMAGE": "dynasplit-edge",
    "MOSQUITTO_IMAGE": "debian-mosquitto",
    "POSTGRES_IMAGE": "debian-postgres",
}
"""What the stack's `.env` is told of them."""
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def import_base(engine: Engine, folder: Path) -> None:
    """Without manuals and translations, as slim images are."""
    archive = folder / "base.tar"
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv", *left_out]
    subprocess.run([*command, "bookworm", str(archive)], check=True, timeout=BUILD_S)
    engine.docker("import", str(archive), IMAGES["BASE_IMAGE"], timeout_s=BUILD_S)
    archive.unlink()


def clone(folder: Path) -> None:
    """With all that .dockerignore lets through, and the authorities that this machine trusts, which are not in the images then."""
    folder.mkdir()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    built_from = [line.removeprefix("!") for line in lines if line.startswith("!")]
    for name in (*built_from, ".dockerignore", ".env.example", "Dockerfile", "docker-compose.yml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder)
    if _AUTHORITIES.exists():
        shutil.copy(_AUTHORITIES, folder / "ca.pem")
