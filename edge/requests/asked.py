"""What a caller asks of the agent: parsed once, checked, then only read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.requests.turns import stays
from planner.choosing.strategies import STRATEGIES
from protocol.configuration import Account, Configuration, choose
from protocol.documents import checked, parse_object
from protocol.errors import InvalidInput, NotAllowed

DEFAULT_STRATEGY = "dynasplit"
PINNED = "pinned"
"""What stands for the strategy where the caller named the configuration."""

_OPERATOR_ONLY = ("strategy", "configuration", "run", "profile")
_LATE = ("serve", "reject")
_LONGEST_RUN = 128


@dataclass(frozen=True)
class Asked:
    """The parameters of a request. `deadline_ms` counts from `arrived_s`, when its last byte was there (monotonic); `gone`
    tells whether the caller has hung up since. `request_id` is what logs and records call it."""

    arrived_s: float
    deadline_ms: float | None = None
    account: Account = Account.EDGE_NODE
    min_accuracy: float | None = None
    reject_late: bool = False
    strategy: str = DEFAULT_STRATEGY
    configuration: Configuration | None = None
    run: str = ""
    profile: bool = False
    gone: Callable[[], bool] = stays
    request_id: str = ""

    def remaining_ms(self, now_s: float) -> float | None:
        """What is left of the deadline, negative when it has passed; None without one."""
        return None if self.deadline_ms is None else self.deadline_ms - (now_s - self.arrived_s) * 1e3

    @property
    def due_s(self) -> float:
        """The moment of the deadline on the monotonic clock; infinite without one."""
        return math.inf if self.deadline_ms is None else self.arrived_s + self.deadline_ms / 1e3

    @classmethod
    def parse(
        cls,
        parameters: Mapping[str, Any],
        *,
        arrived_s: float,
        operator: bool,
        default_account: Account,
        gone: Callable[[], bool] = stays,
        request_id: str = "",
    ) -> Asked:
        """InvalidInput names the parameter that is wrong; NotAllowed the one that takes an operator's token."""
        if unknown := [name for name in parameters if name not in _PARAMETERS]:
            raise InvalidInput(f"parameter '{unknown[0]:.40}' is unknown; there are {', '.join(_PARAMETERS)}")
        if not operator and (closed := [name for name in _OPERATOR_ONLY if name in parameters]):
            raise NotAllowed(f"parameter '{closed[0]}' needs the operator's token: send Authorization: Bearer <token>")
        read = _Reader(parameters)
        configuration = read.or_none("configuration", _configuration)
        profile = read("profile", False, lambda value: bool(checked(value, bool, what="profile")))
        if profile and configuration is None:
            raise InvalidInput("profile needs a configuration, since a measurement is of just one")
        return cls(
            arrived_s=arrived_s,
            deadline_ms=read.or_none("deadline_ms", _deadline_ms),
            account=read("account", default_account, lambda value: choose(Account, value, what="account")),
            min_accuracy=read.or_none("min_accuracy", _min_accuracy),
            reject_late=read("late", "serve", lambda value: _one_of(value, _LATE, what="late")) == "reject",
            strategy=PINNED
            if configuration
            else read("strategy", DEFAULT_STRATEGY, lambda value: _one_of(value, STRATEGIES, what="strategy")),
            configuration=configuration,
            run=read("run", "", _run),
            profile=profile,
            gone=gone,
            request_id=request_id,
        )

    @classmethod
    def to_explain(cls, parameters: Mapping[str, Any], *, now_s: float, default_account: Account) -> Asked:
        """What is asked of a decision that is only to be explained; errors as `parse`."""
        if unknown := [name for name in parameters if name not in _EXPLAINED]:
            raise InvalidInput(f"parameter '{unknown[0]:.40}' is not one of {', '.join(_EXPLAINED)}")
        return cls.parse(parameters, arrived_s=now_s, operator=True, default_account=default_account)


_EXPLAINED = ("deadline_ms", "account", "min_accuracy", "strategy")
_PARAMETERS = ("deadline_ms", "account", "min_accuracy", "late", *_OPERATOR_ONLY)


class _Reader:
    """Reads parameters that may be missing."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def __call__(self, name: str, fallback: Any, parse: Callable[[Any], Any]) -> Any:
        return parse(self._parameters[name]) if name in self._parameters else fallback

    def or_none(self, name: str, parse: Callable[[Any], Any]) -> Any:
        return self(name, None, parse)


def _deadline_ms(value: Any) -> float:
    deadline_ms: float = checked(value, float, what="deadline_ms")
    if deadline_ms <= 0:
        raise InvalidInput(f"deadline_ms must be above 0, not {deadline_ms:g}; leave it out for none")
    return deadline_ms


def _min_accuracy(value: Any) -> float:
    accuracy: float = checked(value, float, what="min_accuracy")
    if not 0 <= accuracy <= 1:
        raise InvalidInput(f"min_accuracy must lie between 0 and 1, not {accuracy:g}")
    return accuracy


def _configuration(value: Any) -> Configuration:
    """An object, or its JSON text: the protocol's parameters are scalars, and some clients keep to that."""
    if isinstance(value, str):
        value = parse_object(value, what="configuration")
    return Configuration.from_json(value)


def _one_of(value: Any, known: tuple[str, ...], *, what: str) -> str:
    if value not in known:
        raise InvalidInput(f"{what} must be one of {', '.join(known)}, not {value!r:.40}")
    return str(value)


def _run(value: Any) -> str:
    run: str = checked(value, str, what="run")
    if len(run) > _LONGEST_RUN:
        raise InvalidInput(f"run must be at most {_LONGEST_RUN} characters, not {len(run)}")
    return run
