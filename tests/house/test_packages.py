"""The house: plain package names are ours, no tool shadows the standard library, and each extra stands alone."""

from __future__ import annotations

import configparser
import importlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "planner", "models", "hardware", "edge", "cloud", "tools")


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_is_ours(name: str):
    assert Path(importlib.import_module(name).__file__).parent == ROOT / name


def test_no_module_in_tools_shadows_the_standard_library():
    names = {path.stem for path in (ROOT / "tools").glob("*.py")} - {"__init__", "__main__"}
    assert not names & set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def dependencies() -> set[str]:
    """All that setup.cfg names."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    named = "\n".join([settings["options"]["install_requires"], *settings["options.extras_require"].values()])
    return {Requirement(line).name for line in named.splitlines() if line.strip()} - {"dynasplit"}


def test_every_dependency_is_pinned(dependencies):
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert dependencies - pinned == set()


def test_every_dependency_says_what_it_earns_its_place_with(dependencies):
    page = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    told = {name for line in page.splitlines() if line.startswith("| ") for name in re.split(r"[,| ();]+", line)}
    assert dependencies - told == set()


def test_what_is_imported_is_named_as_a_dependency(dependencies):
    """Not only brought along by another: that one may do without it tomorrow."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    imported = {name for path in files for name in re.findall(r"^ *(?:from|import) (\w+)", path.read_text(), re.M)}
    foreign = imported - set(PACKAGES) - set(sys.stdlib_module_names)
    owners = metadata.packages_distributions()
    names = {name: {each.lower().replace("_", "-") for each in owners.get(name, ())} for name in foreign}
    unnamed = {name for name, owned_by in names.items() if owned_by and not owned_by & dependencies}
    assert unnamed == set()


def test_there_is_no_init_file_under_tests():
    assert not list((ROOT / "tests").rglob("__init__.py"))


IMPORT_WITH_ONLY = """
import importlib, importlib.metadata as metadata, json, pkgutil, re, sys
from packaging.requirements import Requirement

extra, packages, left_out = json.loads(sys.argv[1])
allowed = set()

def closure(name, extras):
    name = re.sub(r"[-_.]+", "-", name).lower()
    if (name, extras) in allowed:
        return
    allowed.add((name, extras))
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in extras or ("",)]
        if requirement.marker is None or any(requirement.marker.evaluate(environment) for environment in environments):
            try:
                closure(requirement.name, tuple(sorted(requirement.extras)))
            except metadata.PackageNotFoundError:
                pass

closure("dynasplit", (extra,))
installed = {name for name, _ in allowed}
owners = metadata.packages_distributions()
foreign = {
    module
    for module, distributions in owners.items()
    if not {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} & installed
}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(f"{name} is not installed by extra '{extra}'", name=name)

for name in [name for name in sys.modules if name.partition(".")[0] in foreign]:
    del sys.modules[name]
sys.meta_path.insert(0, Refuse())
for package in packages:
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(root, "__path__", []), package + "."):
        skip = module.name in left_out or ".migrations" in module.name or ".zoo.train_" in module.name
        if not skip and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(len(foreign))
"""


NEEDS_THE_DEMO = [
    "tools.demo",
    "tools.story",
    "tools.stack",
    "tools.embedded_broker",
    "tools.benches.cloud.server",
    "tools.benches.cloud.serving",
    "tools.benches.edge.overhead",
    "tools.benches.ingest.measuring",
]
"""What runs the whole of DynaSplit on one machine."""


@pytest.mark.system
@pytest.mark.parametrize(
    ("extra", "packages", "left_out"),
    [
        ("edge", ["protocol", "planner", "models", "hardware", "edge"], []),
        ("edge", ["tools.cli", "tools.enroll", "tools.infer", "tools.doctor"], []),
        ("cloud", ["protocol", "models", "hardware", "cloud"], ["cloud.wsgi"]),
        ("tools", ["tools"], NEEDS_THE_DEMO),
        ("demo", ["tools"], []),
    ],
)
def test_an_extra_installs_all_that_its_packages_import(extra: str, packages: list[str], left_out: list[str]):
    arguments = json.dumps([extra, packages, left_out])
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_ONLY, arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0, "nothing was kept out, so nothing was shown"
