"""docker-compose.yml, without an engine; `tests/system/stack` starts it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import BackendSettings, IngestSettings

SERVICES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]
BUILDERS = {service["image"]: name for name, service in SERVICES.items() if "build" in service}


def awaited(name: str) -> set[str]:
    """All that starts before a service."""
    first = set(SERVICES[name].get("depends_on", {}))
    return first.union(*(awaited(each) for each in first))


def test_no_two_services_build_one_image():
    """Compose 2 builds all at once; with containerd's store of images the second to finish fails: "already exists"."""
    assert len(BUILDERS) == sum("build" in service for service in SERVICES.values())


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["image"] in BUILDERS])
def test_who_uses_an_image_that_is_built_here_waits_for_its_builder_and_never_pulls_it(name: str):
    builder = BUILDERS[SERVICES[name]["image"]]
    assert builder == name or builder in awaited(name)
    assert builder == name or SERVICES[name]["pull_policy"] == "never"


@pytest.mark.parametrize(
    ("name", "settings", "fixed_by_the_image"),
    [("backend", BackendSettings, {"data_dir"}), ("ingest", IngestSettings, {"data_dir", "metrics_host"})],
)
def test_every_setting_reaches_its_container(name: str, settings: type, fixed_by_the_image: set[str]):
    wanted = {f"DYNASPLIT_{each.name.upper()}" for each in fields(settings) if each.name not in fixed_by_the_image}

    assert wanted <= set(SERVICES[name]["environment"])
