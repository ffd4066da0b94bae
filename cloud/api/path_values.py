"""What may stand in a path, by the name that routes give it."""

from __future__ import annotations

from typing import Any

from protocol import topics

NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

PATH_VALUES: dict[str, dict[str, Any]] = {
    "device": {**NAME, "description": "a device's name"},
    "network": {**NAME, "description": "a network's name"},
    "version": {"type": "string", "pattern": "^[0-9]{1,9}$", "description": "a version of a network, counted from 1"},
    "digest": {**DIGEST, "description": "a digest: sha256 in hexadecimal"},
    "sha256": {**DIGEST, "description": "the content's sha256 in hexadecimal"},
    "job_id": {**NAME, "description": "a job's id"},
    "computation_id": {**NAME, "description": "a computation's id"},
    "rollout_id": {**NAME, "description": "a rollout's id"},
    "file": {"type": "string", "description": "a file of the page"},
}


def check_names(device: str, network: str) -> None:
    """InvalidInput for what cannot be the name of a device or of a network."""
    topics.check_name(device, what="device")
    topics.check_name(network, what="network")
