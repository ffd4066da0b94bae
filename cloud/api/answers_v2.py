"""What the Open Inference Protocol v2 takes and answers, for the description.

Source: "Predict Protocol - Version 2" of KServe, and Triton's extensions for binary tensors, model configuration,
model repository and statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Server:
    name: str
    version: str
    extensions: list[str]


@dataclass(frozen=True)
class Live:
    live: bool


@dataclass(frozen=True)
class Ready:
    ready: bool


@dataclass(frozen=True)
class TensorDescription:
    name: str
    datatype: str
    shape: list[int]


@dataclass(frozen=True)
class ModelDescription:
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorDescription]
    outputs: list[TensorDescription]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ModelReady:
    name: str
    version: str
    ready: bool


@dataclass(frozen=True)
class ConfiguredTensor:
    name: str
    data_type: str
    dims: list[int]


@dataclass(frozen=True)
class ModelConfiguration:
    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfiguredTensor]
    output: list[ConfiguredTensor]
    parameters: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class ModelStatistics:
    model_stats: list[dict[str, Any]]


@dataclass(frozen=True)
class IndexRequest:
    """`ready`: only what is loaded."""

    ready: bool = False


@dataclass(frozen=True)
class IndexEntry:
    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True)
class RepositoryRequest:
    """Of the parameters `bundle`, a digest, is read."""

    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputTensor:
    """`data` is left out where the bytes follow the JSON; their number is then the parameter `binary_data_size`."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = field(default_factory=dict)
    data: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class WantedOutput:
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceRequest:
    """`parameters` of a tail request: `cut`, `bundle`, `codec`, `remaining_ms`. Without `outputs` all are answered."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: list[WantedOutput] = field(default_factory=list)


@dataclass(frozen=True)
class OutputTensor:
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = field(default_factory=dict)
    data: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class InferenceReply:
    """`parameters` say what it cost: see the page on the REST interface."""

    outputs: list[OutputTensor]
    id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    model_name: str = ""
    model_version: str = ""
