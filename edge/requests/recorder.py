"""The recorder: what happened to each request goes into the outbox."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edge.requests.asked import Asked
from edge.requests.recent import RecentRequests
from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed
from edge.telemetry.wall_clock import WallClock
from protocol.configuration import Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from protocol.messages import Inference, RecordKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What a record is about: the network, and the digests of its bundle and table ("" without one)."""

    network: str
    bundle: str
    table: str = ""


@dataclass(frozen=True)
class Served:
    """How a request was served."""

    configuration: Configuration
    cost: Cost
    fallback: str
    predicted_ms: float | None
    deadline_met: bool | None
    throttled: bool = False


class Recorder:
    """Writes records. A disk that takes no more is logged, not raised: a device that cannot keep records still serves."""

    def __init__(self, outbox: Outbox, *, device: str, wall: WallClock) -> None:
        self._outbox = outbox
        self._device = device
        self._wall = wall
        self._unrecorded = 0
        self.recent = RecentRequests()

    def served(self, subject: Subject, asked: Asked, served: Served) -> None:
        """An answered request; one that was late is a violation."""
        self._keep(
            self._inference(
                subject,
                asked,
                configuration=served.configuration,
                cost=served.cost,
                fallback=served.fallback,
                predicted_ms=served.predicted_ms,
                violation=served.deadline_met is False,
            )
        )

    def refused(self, subject: Subject, asked: Asked, reason: str) -> None:
        """A request without an answer; a violation if it had a deadline."""
        self._keep(self._inference(subject, asked, refused=reason, violation=asked.deadline_ms is not None))

    def measured(self, subject: Subject, asked: Asked, served: Served, *, link: Link, runtime: str) -> Measurement:
        """A profiled request; what was kept of it. Raises OutboxFailed: a measurement that is not kept is none."""
        at, synced = self._wall.now()
        measurement = Measurement(
            configuration=served.configuration,
            cost=served.cost,
            network=subject.network,
            bundle=subject.bundle,
            device=self._device,
            runtime=runtime,
            link=link,
            at=at,
            clock_synced=synced,
            throttled=served.throttled,
            run=asked.run,
        )
        self._outbox.append(RecordKind.MEASUREMENT, measurement.to_json())
        return measurement

    def _inference(
        self,
        subject: Subject,
        asked: Asked,
        *,
        violation: bool,
        configuration: Configuration | None = None,
        cost: Cost | None = None,
        fallback: str = "",
        refused: str = "",
        predicted_ms: float | None = None,
    ) -> Inference:
        at, synced = self._wall.now()
        return Inference(
            network=subject.network,
            bundle=subject.bundle,
            table_digest=subject.table,
            strategy=asked.strategy,
            account=asked.account,
            deadline_ms=asked.deadline_ms,
            run=asked.run,
            configuration=configuration,
            cost=cost,
            violation=violation,
            fallback=fallback,
            refused=refused,
            predicted_ms=predicted_ms,
            at=at,
            clock_synced=synced,
            request_id=asked.request_id,
        )

    def _keep(self, inference: Inference) -> None:
        self.recent.note(inference)
        try:
            self._outbox.append(RecordKind.INFERENCE, inference.to_json())
        except InvalidInput:
            logger.exception("a request was not recorded")
        except OutboxFailed as error:
            if not self._unrecorded:
                logger.error("requests are served, but not recorded: %s", error)
            self._unrecorded += 1
        else:
            self._recorded_again()

    def _recorded_again(self) -> None:
        if self._unrecorded:
            logger.warning("requests are recorded again; %d were not", self._unrecorded)
        self._unrecorded = 0
