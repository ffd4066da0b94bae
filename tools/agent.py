"""The agent as the tools see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.configuration import Configuration
from protocol.documents import field
from protocol.inference import Message, pack_request, unpack_reply
from protocol.measurement import Cost, Measurement
from protocol.tensors import Array, Tensor, TensorSpec
from tools.web import Web, quoted


@dataclass(frozen=True)
class Answer:
    """What the agent said: outputs by name, and what the request cost."""

    outputs: Mapping[str, Array]
    configuration: Configuration
    cost: Cost
    latency_ms: float
    deadline_met: bool | None
    fallback: str
    predicted_ms: float | None
    strategy: str


_HOW_TO_BE_LET_IN = (
    "it takes the 'operator_token' of the device's own edge.toml: give it in DYNASPLIT_AGENT_TOKEN, or with --token "
    "(--agent-token where the backend is asked too)"
)


class Agent:
    """Calls to an agent's local API."""

    def __init__(self, url: str, *, token: str = "") -> None:
        self._web = Web(url, token=token, name="agent", token_hint=_HOW_TO_BE_LET_IN)

    @property
    def url(self) -> str:
        return self._web.url

    def close(self) -> None:
        """Ends the connections."""
        self._web.close()

    def ready(self) -> None:
        """Returns when the agent can serve; ServiceMissing until then."""
        self._web.call("GET", "/v2/health/ready")

    def load(self, network: str, bundle: str) -> None:
        """Has the agent fetch and open a bundle."""
        path = f"/v2/repository/models/{quoted(network)}/load"
        self._web.send("POST", path, {"parameters": {"bundle": bundle}})

    def inputs(self, network: str) -> tuple[TensorSpec, ...]:
        """The inputs that a network takes."""
        content = self._web.get(f"/v2/models/{quoted(network)}")
        inputs = field(content, "inputs", list, what="the agent's model metadata")
        return tuple(TensorSpec.from_json(item, what="an input") for item in inputs)

    def device(self) -> dict[str, Any]:
        """What the device is and can do: `device`, `board`, `clocks_khz`, `accelerators`, `provenance`, `overruns`."""
        return dict(field(self._web.get("/v2"), "device", dict, what="the agent's metadata"))

    def network(self, network: str) -> dict[str, Any]:
        """What a network's bundle says: `bundle`, `cut_points`, `scaling`, `labels`."""
        return self._web.get(f"/v2/models/{quoted(network)}/config")

    def measure(
        self, network: str, tensors: Sequence[Tensor], configuration: Configuration, *, run: str
    ) -> Measurement:
        """One request with a pinned configuration, kept as a measurement."""
        parameters = {"configuration": configuration.to_json(), "profile": True, "run": run}
        reply = self._send(network, tensors, parameters)
        return Measurement.from_json(field(reply.parameters, "measurement", dict, what="reply"), what="reply")

    def infer(self, network: str, tensors: Sequence[Tensor], parameters: Mapping[str, Any]) -> Answer:
        """One request."""
        return _answer(self._send(network, tensors, parameters))

    def explain(self, network: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """How the agent would decide such a request now, and why (`planner.choosing.explanation`). Operator's token."""
        return self._web.send("POST", f"/v2/models/{quoted(network)}/explain", {"parameters": dict(parameters)})

    def _send(self, network: str, tensors: Sequence[Tensor], parameters: Mapping[str, Any]) -> Message:
        wire = pack_request(Message(tensors=tuple(tensors), parameters=parameters))
        path = f"/v2/models/{quoted(network)}/infer"
        response = self._web.call("POST", path, body=wire.body, headers=wire.headers)
        return unpack_reply(dict(response.headers), response.data)


def _answer(reply: Message) -> Answer:
    parameters = reply.parameters
    predicted = parameters.get("predicted_ms")
    return Answer(
        outputs={tensor.name: tensor.array for tensor in reply.tensors},
        configuration=Configuration.from_json(parameters.get("configuration")),
        cost=Cost.from_json(parameters.get("cost")),
        latency_ms=field(parameters, "latency_ms", float, what="reply"),
        deadline_met=parameters.get("deadline_met"),
        fallback=field(parameters, "fallback", str, what="reply"),
        predicted_ms=None if predicted is None else float(predicted),
        strategy=field(parameters, "strategy", str, what="reply"),
    )
