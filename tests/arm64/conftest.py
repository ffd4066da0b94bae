"""A Raspberry Pi without one: arm64 programs run by qemu's user mode emulation in a Debian root of their own.

Nothing of the file system runs while it is made: packages and wheels are unpacked only. So it takes seconds, and needs neither
binfmt_misc nor, where unprivileged user namespaces are allowed, the rights of root. No /proc or /sys is mounted: plain files
there say what a Pi's kernel would say, and qemu itself answers for /proc/cpuinfo.
"""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.cutting.cut import choose_cuts
from models.cutting.plain import make_bundle
from models.network.graph import read_graph
from models.zoo import ZooNetwork, load_digits_vgg, load_digits_vit

PROJECT = Path(__file__).parents[2]
RELEASE, PYTHON, GLIBC_MINOR = "bookworm", "3.11", 36
"""Debian 12, as Raspberry Pi OS of the same name; with its Python and glibc 2.36."""
QEMU_RELEASE = "trixie"
"""Its qemu 10.0. That of bookworm (7.2) shows this computer's /proc/cpuinfo, and gets int8 products by SME wrong on `max`."""
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
SITE, CODE, EXCHANGE, ANSWERS, QEMU = "srv/site", "srv/code", "srv/exchange", "tmp/answers.npz", "usr/bin/qemu"
GPU_LIBRARY = f"{SITE}/ai_edge_litert/libLiteRtWebGpuAccelerator.so"
RUN_LIMIT_S = 300
IMAGES = 2


@dataclass(frozen=True)
class Root:
    """An arm64 file system with Python, the agent's packages and the project's code."""

    folder: Path

    def python(self, processor: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A Python program on an emulated processor; paths in `arguments` are those inside the root."""
        inside = [f"/{QEMU}", f"/usr/bin/python{PYTHON}", *arguments]
        environment = {"QEMU_CPU": processor, "PYTHONPATH": f"/{CODE}:/{SITE}", "PATH": os.environ["PATH"]}
        return subprocess.run(
            [*_as_root(), "chroot", str(self.folder), *inside],
            env=environment,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )

    @contextmanager
    def without_gpu_library(self) -> Iterator[None]:
        library = self.folder / GPU_LIBRARY
        aside = library.rename(self.folder / "srv" / library.name)
        try:
            yield
        finally:
            aside.rename(library)


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]


def _built(folder: Path) -> Root:
    _unpack(RELEASE, PACKAGES, folder, "--arch=arm64", "--skip=check/qemu")
    _install_wheels(folder / SITE)
    for package in ("protocol", "models"):
        shutil.copytree(PROJECT / package, folder / CODE / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("answers.py"), folder / CODE)
    with tempfile.TemporaryDirectory() as unpacked:
        _unpack(QEMU_RELEASE, ("qemu-user",), Path(unpacked) / "root")
        shutil.copy(Path(unpacked, "root", "usr", "bin", "qemu-aarch64"), folder / QEMU)
    for path, text in _KERNEL.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    if not (folder / "dev" / "null").exists():
        (folder / "dev").mkdir(exist_ok=True)
        (folder / "dev" / "null").touch()
    return Root(folder)


def _unpack(release: str, packages: Sequence[str], folder: Path, *options: str) -> None:
    command = ("mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract", *options)
    _run(*command, f"--include={','.join(packages)}", release, str(folder))


_KERNEL = {
    "proc/meminfo": "MemTotal:        3885396 kB\nMemFree:         3001200 kB\nMemAvailable:    3405840 kB\n",
    "proc/sys/kernel/random/boot_id": "6d1f6e2c-56a1-4c0e-9e58-0d6c4f6f4a11\n",
    "sys/devices/system/cpu/possible": "0-3\n",
    "sys/devices/system/cpu/present": "0-3\n",
}
"""With no /sys CompiledModel fails to open; the others tell the runners of memory and when the board was started."""


def _install_wheels(site: Path) -> None:
    """What an agent installs, at the tested versions, as wheels for the board."""
    settings = configparser.ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    named = settings["options"]["install_requires"] + settings["options.extras_require"]["edge"]
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, GLIBC_MINOR + 1)]
    platforms += ["--platform=manylinux2014_aarch64"]
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(site),
         "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", *platforms,
         "--constraint", str(PROJECT / "constraints.txt"), *filter(None, map(str.strip, named.splitlines())))  # fmt: skip


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}: {result.stderr[-2000:]}"


@pytest.fixture(scope="session")
def root() -> Iterator[Root]:
    """Made anew in each session: it takes seconds, and nothing in it is ever old."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs: apt-get install mmdebstrap")
    if subprocess.run([*_as_root(), "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, or user namespaces: sysctl kernel.unprivileged_userns_clone=1")
    with tempfile.TemporaryDirectory(prefix="dynasplit-arm64-") as folder:
        yield _built(Path(folder) / "root")


NETWORKS: dict[str, Callable[[], ZooNetwork]] = {
    "digits_vgg_fp32": lambda: load_digits_vgg("fp32"),
    "digits_vgg_int8": lambda: load_digits_vgg("int8"),
    "digits_vit_fp32": lambda: load_digits_vit("fp32"),
    "digits_vit_int8": lambda: load_digits_vit("int8"),
}


@pytest.fixture(scope="session")
def bundles(root: Root) -> dict[str, Bundle]:
    """The trained networks, cut here at two points and before the last operator, and the samples beside them."""
    folder = root.folder / EXCHANGE
    made = {}
    for name, load in NETWORKS.items():
        network = load()
        possible = choose_cuts(read_graph(network.path), "single")
        cuts = [possible[len(possible) // 3], possible[len(possible) * 2 // 3], possible[-1]]
        made[name] = make_bundle(network.path, folder / name, name=name, cuts=cuts)
        np.savez(folder / f"{name}.npz", images=[network.input(number) for number in range(IMAGES)])
    return made


Answers = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def ask(root: Root, bundles: dict[str, Bundle]) -> Callable[[str, str], subprocess.CompletedProcess[str]]:
    """Has `answers.py` run on a processor, with the runner that is named."""
    return lambda processor, runner: root.python(
        processor, f"/{CODE}/answers.py", f"/{EXCHANGE}", runner, f"/{ANSWERS}"
    )


@pytest.fixture(scope="session")
def answers_here(root: Root, bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What this computer answers, with the runner that suits it."""
    out = tmp_path_factory.mktemp("here") / "answers.npz"
    script = Path(__file__).with_name("answers.py")
    _run(sys.executable, str(script), str(root.folder / EXCHANGE), "chosen", str(out))
    return read_answers(out)


@dataclass(frozen=True)
class Run:
    """One way to run the networks on an emulated processor, and the runner that it must come to."""

    processor: str
    runner: str
    kind: str
    gpu_library: bool = True

    def __str__(self) -> str:
        return f"{self.processor}-{self.runner}-{self.kind}{'' if self.gpu_library else '-without-gpu-library'}"


PI_4, PI_5, ALL_THAT_QEMU_KNOWS = "cortex-a72", "cortex-a76", "max"
RUNS = (
    Run(PI_4, "chosen", "interpreter"),
    Run(PI_4, "chosen", "compiled", gpu_library=False),
    Run(ALL_THAT_QEMU_KNOWS, "chosen", "compiled"),
    Run(ALL_THAT_QEMU_KNOWS, "interpreter", "interpreter"),
    Run(PI_5, "chosen", "compiled"),
)


@pytest.fixture(scope="module", params=RUNS, ids=str)
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


@pytest.fixture(scope="module")
def answers(run: Run, root: Root, ask: Callable[[str, str], subprocess.CompletedProcess[str]]) -> Answers:
    """What the board answers in this run."""
    with nullcontext() if run.gpu_library else root.without_gpu_library():
        ended = ask(run.processor, run.runner)
    assert ended.returncode != -signal.SIGILL, f"{run}: an instruction that this processor does not have (SIGILL)"
    assert ended.returncode == 0, f"{run}: exit code {ended.returncode}: {ended.stderr[-2000:]}"
    return read_answers(root.folder / ANSWERS)


def read_answers(path: Path) -> Answers:
    with np.load(path) as content:
        return dict(content)
