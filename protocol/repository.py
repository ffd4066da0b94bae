"""Requests of the model repository extension of the Open Inference Protocol: which bundle a network shall be loaded with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.documents import checked
from protocol.errors import InvalidInput


def asked_bundle(content: Mapping[str, Any]) -> str:
    """The digest in parameter `bundle`, "" where there is none.

    InvalidInput for Triton's parameters that would change a network (`config`, `file:…`): a bundle is served as it is.
    """
    parameters = checked(content.get("parameters", {}), dict, what="'parameters'")
    if overridden := [name for name in parameters if name == "config" or name.startswith("file:")]:
        raise InvalidInput(f"parameter '{overridden[0]:.60}' is not supported here: a bundle is served as it is")
    return str(checked(parameters.get("bundle", ""), str, what="parameter 'bundle'"))
