"""What all tests share: published data, the broker as it ships, a certificate, and that nothing is skipped where CI runs."""

from __future__ import annotations

import datetime
import errno
import fcntl
import gc
import getpass
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings
from werkzeug.routing import Rule

import cloud
from cloud.broker import initial
from cloud.broker.dynamic_security import rights
from tools import cli

_BROKER_PATIENCE_S = 30.0
_DEAREST_FIRST = ("alone", "docker", "arm64", "system", "convert", "postgresql", "mosquitto", "exhaustive")
"""Marks of what takes minutes, and so on down; who must be alone waits least at the beginning."""
_NOT_QUICK = {"system", "convert", "arm64", "docker", "mosquitto", "postgresql", "reference"}
"""Marks of what needs more than Python's packages, or minutes."""

# Started in the background of a shell, a process inherits that interruptions are ignored; tests interrupt what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("by hand", max_examples=25, deadline=None)
settings.register_profile("quick", max_examples=10, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "by hand")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reference", type=Path, help="folder of the published data (or DYNASPLIT_REFERENCE)")
    parser.addoption("--quick", action="store_true", help="what needs no service, with few cases of what tries many")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        settings.load_profile("quick")


def _reference_folder(config: pytest.Config) -> Path | None:
    chosen = config.getoption("--reference") or os.environ.get("DYNASPLIT_REFERENCE")
    return Path(chosen) if chosen else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _leave_out_reference(config, items)
    if config.getoption("--quick"):
        _leave_out_long(config, items)
    if "PYTEST_XDIST_WORKER" in os.environ:
        _dear_files_first(items)


def _dear_files_first(items: list[pytest.Item]) -> None:
    """The order in which xdist hands out files: with one of minutes at the end, all cores but one would wait for it."""
    rank: dict[Path, int] = {}
    for item in items:
        marks = [place for place, mark in enumerate(_DEAREST_FIRST) if item.get_closest_marker(mark)]
        rank[item.path] = min([*marks, rank.get(item.path, len(_DEAREST_FIRST))])
    whole = Path(__file__).parent / "system"
    items.sort(key=lambda item: (rank[item.path], whole not in item.path.parents))


def _leave_out_long(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a function marked `exhaustive(sample=N)` the first N cases stay."""
    tried: Counter[tuple[Path, str]] = Counter()
    left_out = []
    for item in items:
        many = item.get_closest_marker("exhaustive")
        function = (item.path, item.name.partition("[")[0])
        tried[function] += 1
        too_many = many is not None and tried[function] > many.kwargs.get("sample", 0)
        if too_many or any(mark.name in _NOT_QUICK for mark in item.iter_markers()):
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


def _leave_out_reference(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the published data the tests that need it are deselected, and a line says so."""
    if _reference_folder(config):
        return
    left_out = [item for item in items if item.get_closest_marker("reference")]
    if not left_out:
        return
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(
            f"{len(left_out)} tests against the published data are left out: give --reference DIR or DYNASPLIT_REFERENCE "
            "(the authors publish it at github.com/hpc-tuwien/SPLINTER)"
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected stays to the end: the collector of garbage need not look at it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Where tests run beside each other (pytest-xdist), one that is marked `alone` waits for the others, and they wait for it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    here = Path(__file__)
    with here.open() as running, (here.parent.parent / "setup.cfg").open() as waiting:
        fcntl.flock(
            waiting, fcntl.LOCK_EX
        )  # one at a time asks to run, so that a stream of others cannot hold up one alone
        fcntl.flock(running, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(waiting, fcntl.LOCK_UN)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """In CI a skip is a failure: what is not run there is not tested anywhere."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def routes_compiled_once() -> Iterator[None]:
    """Hundreds of tests make an app of their own, of the same routes: Werkzeug compiles each of these only once for all."""
    compiled: dict[tuple[str, bool], Callable[..., tuple[str, str]]] = {}
    compile_it = Rule._compile_builder

    def remembered(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (f"{rule.rule} {rule.defaults} {rule._trace}", append_unknown)
        if key not in compiled:
            compiled[key] = compile_it(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembered)
        yield


@pytest.fixture(scope="session")
def edgetpu_compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A command that behaves as Coral's edgetpu_compiler does, but copies the network."""
    command = tmp_path_factory.mktemp("compiler") / "edgetpu_compiler"
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -I -S "{Path(__file__).parent / "fakes" / "edgetpu_compiler.py"}" "$@"\n'
    )
    command.chmod(0o755)
    return command


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest) -> Path:
    """The folder of the published data."""
    folder = _reference_folder(request.config)
    assert folder is not None, "tests that need the published data are deselected without it"
    assert (folder / "dynasplit").is_dir(), f"{folder} holds no folder 'dynasplit'"
    return folder


@dataclass(frozen=True)
class ShippedBroker:
    """Mosquitto with the shipped settings, and the cloud's users; a user's password is `<user>-secret`. Beside
    them there is a user `watcher`, who may do everything on the project's topics.

    `certificates`: the folder as `dynasplit certs` makes it, with the authority that signed the broker's.
    """

    port: int
    tls_port: int
    folder: Path
    certificates: Path

    def url(self, user: str, password: str | None = None) -> str:
        return f"mqtt://{user}:{password or f'{user}-secret'}@127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def fleet_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dynasplit certs` makes for this machine, with another authority's in the folder `other` below it."""
    folder = tmp_path_factory.mktemp("certs")
    for each in (folder, folder / "other"):
        assert cli.main(["certs", "--output", str(each)]) == 0
    return folder


@pytest.fixture
def shipped_broker(tmp_path: Path, fleet_certificates: Path) -> Iterator[ShippedBroker]:
    """A running one; for tests marked `mosquitto`."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    plugins = sorted(Path("/usr/lib").rglob("mosquitto_dynamic_security.so"))
    if not program or not plugins:
        pytest.skip("no Mosquitto here: apt-get install mosquitto")
    broker = ShippedBroker(*_free_ports(), tmp_path / "mosquitto", fleet_certificates)
    broker.folder.mkdir()
    settings = _here((Path(cloud.__file__).parent / "mosquitto.conf").read_text(), broker, plugin=plugins[0])
    (broker.folder / "mosquitto.conf").write_text(settings)
    _accounts(broker.folder / "dynamic-security.json")
    with (broker.folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(broker.folder / "mosquitto.conf")], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(broker.port)
        yield broker
    finally:
        process.terminate()
        process.wait(_BROKER_PATIENCE_S)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _accounts(path: Path) -> None:
    """What the broker starts from, and a user `watcher` who may do everything on the project's topics."""
    document = initial.document({user: f"{user}-secret" for user in initial.USERS})
    document["roles"].append({"rolename": "watcher", "acls": rights(["dynasplit/#"], ["dynasplit/#"])})
    watcher = initial._client("watcher", password="watcher-secret", roles=["watcher"])
    path.write_text(json.dumps({**document, "clients": [*document["clients"], watcher]}))


def _here(settings: str, broker: ShippedBroker, *, plugin: Path) -> str:
    """The shipped settings with the places of this machine."""
    for old, new in (
        ("listener 1883", f"listener {broker.port} 127.0.0.1"),
        ("listener 8883", f"listener {broker.tls_port} 127.0.0.1"),
        ("/mosquitto/certs/", f"{broker.certificates}/"),
        ("/usr/lib/mosquitto_dynamic_security.so", str(plugin)),
        ("/mosquitto/data/", f"{broker.folder}/"),
    ):
        assert old in settings
        settings = settings.replace(old, new)
    return f"{settings}\nuser {getpass.getuser()}\n"


def _wait_until_it_listens(port: int) -> None:
    tick = threading.Event()
    for _ in range(int(_BROKER_PATIENCE_S / 0.01)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        tick.wait(0.01)
    raise AssertionError("the broker did not come up in time")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and `server.pem` with its key, of a certificate for 127.0.0.1 that signs itself."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(public)
    (folder / "server.pem").write_bytes(public + private)
    return folder


@pytest.fixture
def hide(monkeypatch) -> Callable[[Path], None]:
    """Makes a path one that this user may not look at, which no folder keeps from root."""
    hidden: set[Path] = set()
    looked_at = Path.stat

    def stat(path: Path, **how: Any) -> os.stat_result:
        if path in hidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return looked_at(path, **how)

    monkeypatch.setattr(Path, "stat", stat)
    return hidden.add
