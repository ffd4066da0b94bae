"""What tests of the doctor share: settings of an agent on a machine that is a file tree."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.settings import EdgeSettings


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., EdgeSettings]:
    """Settings of an agent on the machine whose sysfs is `tmp_path / "sys"`; any of them can be changed."""

    def make(**changed: object) -> EdgeSettings:
        known = {
            "device": "pi-1",
            "board": "linux",
            "data_dir": tmp_path,
            "run_dir": tmp_path / "run",
            "sysfs": tmp_path / "sys",
            "backend_url": "http://127.0.0.1:1",
            "device_token": "t",
            "broker_url": "mqtt://127.0.0.1:1",
            "operator_token": "o",
            "operator_public_key": base64.b64encode(bytes(32)).decode(),
            "edgetpu_std_library": tmp_path / "std/libedgetpu.so.1",
            "edgetpu_max_library": tmp_path / "max/libedgetpu.so.1",
        }
        return EdgeSettings(**{**known, **changed})

    return make
