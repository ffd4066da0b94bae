"""Job `profile`: measures configurations one by one, by the path that serves requests and between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.jobs.work import JobWork
from edge.requests.asked import PINNED, Asked
from edge.requests.bounds import Bounds
from edge.tables.bundles import BundleStore
from edge.tables.networks import Networks
from edge.tables.readiness import Warmer
from hardware.clock import Clock
from models.bundle import Bundle
from models.cutting.exactness import random_samples
from models.manifest import Manifest
from planner.profiling import plan
from planner.space import Space
from protocol.configuration import Configuration
from protocol.errors import BundleMismatch, DynaSplitError, InvalidInput
from protocol.inference import Message
from protocol.job_orders import ProfileOrder
from protocol.jobs import Job
from protocol.tensors import Tensor

logger = logging.getLogger(__name__)

_INPUTS = 4
"""So many random inputs are run in turn."""


class Serving(Protocol):
    """What serves requests, as the agent does."""

    def infer(self, name: str, message: Message, asked: Asked, /) -> Any:
        """Raises DynaSplitErrors."""
        ...


@dataclass(frozen=True, eq=False)
class Facilities:
    """What measuring takes: what serves requests, the bundles and networks, how a bundle is opened and what may run here.

    `settle` puts the board back as it was found, once no request runs.
    """

    agent: Serving
    bundles: BundleStore
    networks: Networks
    warm: Warmer
    bounds: Bounds
    settle: Callable[[], None]
    clock: Clock = time.monotonic


class Profile:
    """One step per measurement, which is in the outbox, tagged `job-<id>`, when the step returns.

    A request of a profile has no deadline, so those with one go first, for some seconds. A step serves with the job's
    bundle, whatever was loaded or pushed meanwhile.
    """

    def __init__(self, job: Job, order: ProfileOrder, facilities: Facilities) -> None:
        self._run = job.run
        self._facilities = facilities
        self._repeats = order.repeats
        self._bundle = facilities.bundles.get(order.bundle)
        if self._bundle.manifest.network != order.network:
            raise BundleMismatch(
                f"bundle {order.bundle:.12} holds {self._bundle.manifest.network}, not {order.network}"
            )
        self._configurations = _configurations(order, self._bundle, facilities.bounds)
        self._inputs = [_message(self._bundle.manifest, arrays) for arrays in _random(self._bundle.manifest)]

    @property
    def total(self) -> int:
        return len(self._configurations) * self._repeats

    @property
    def independent(self) -> bool:
        """What one configuration cannot do here, another may."""
        return True

    def step(self, index: int, /) -> None:
        parts, network = self._facilities, self._bundle.manifest.network
        self._load()
        asked = Asked(
            arrived_s=parts.clock(),
            strategy=PINNED,
            configuration=self._configurations[index // self._repeats],
            run=self._run,
            profile=True,
        )
        parts.agent.infer(network, self._inputs[index % _INPUTS], asked)

    def close(self) -> None:
        try:
            self._facilities.settle()
        except DynaSplitError as error:
            logger.warning("the board stays as the profile left it: %s", error)

    def _load(self) -> None:
        """Unless the network is served with this bundle anyway."""
        networks, digest = self._facilities.networks, self._bundle.digest
        if not any(known.bundle.digest == digest for known in networks.all()):
            self._facilities.warm(self._bundle, 1)
            networks.load(self._bundle)


def profiling(facilities: Facilities) -> Callable[[Job, bool], JobWork]:
    """Errors as those of a step: InvalidInput for an order that cannot be carried out here, ServiceMissing while the
    bundle cannot be fetched."""
    return lambda job, _begun: Profile(job, ProfileOrder.from_json(job.parameters), facilities)


def _configurations(order: ProfileOrder, bundle: Bundle, bounds: Bounds) -> tuple[Configuration, ...]:
    """Those that were named, each of which must be possible here; else the planned ones that may run here."""
    if order.configurations:
        for configuration in order.configurations:
            bounds.check(configuration, bundle)
        return order.configurations
    capabilities = bounds.capabilities
    space = Space(
        cuts=bundle.manifest.cuts,
        clocks_khz=bounds.limits.allowed_khz(capabilities.ladder_khz),
        codecs=order.codecs,
        accelerators=capabilities.accelerators,
    )
    return tuple(each for each in plan(space) if _may_run(each, bundle, bounds))


def _may_run(configuration: Configuration, bundle: Bundle, bounds: Bounds) -> bool:
    try:
        bounds.check(configuration, bundle)
    except (InvalidInput, LookupError):
        return False
    return True


def _random(manifest: Manifest) -> Sequence[Sequence[Any]]:
    return list(random_samples(manifest, _INPUTS))


def _message(manifest: Manifest, arrays: Sequence[Any]) -> Message:
    tensors = tuple(Tensor(spec.name, array) for spec, array in zip(manifest.inputs, arrays, strict=True))
    parameters: Mapping[str, Any] = {}
    return Message(tensors, parameters)
