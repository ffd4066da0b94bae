"""Running one request by a configuration: head, round trip, and the ways out when one of them fails."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge.device.accelerators import Accelerators, limit_s
from edge.device.controller import Controller, Switched
from edge.device.throttle_guard import ThrottleGuard
from edge.metering.energy import Energies, Stretch, Window
from edge.offload.cloud import Cloud, CloudFailed, TailCall
from edge.requests.bill import Circumstances, bill
from edge.requests.head_work import head_work
from edge.requests.task import Outcome, Task
from edge.requests.turns import Turn
from edge.runners.port import RunnerKey, RunnerLost, Runners
from hardware.board import ClockNotApplied
from hardware.clock import Clock
from models.bundle import Bundle
from models.running.runner import Head
from planner.choosing.patience import LONGEST_WAIT_MS, patience_ms
from planner.choosing.switching import Switching
from protocol.configuration import Codec, Configuration, Provenance
from protocol.errors import AcceleratorFailed
from protocol.inference import Message, Wire, pack_request
from protocol.measurement import Cost
from protocol.request_ids import REQUEST_ID
from protocol.tensors import Array, Tensor, encode
from protocol.work import Work

logger = logging.getLogger(__name__)

_LONGEST_BATCH_S = 10.0
"""A meter with a period of over 1.6 s would want more, and its energies stay estimates: nobody is served meanwhile."""


@dataclass(frozen=True, eq=False)
class _Departure:
    """The head is done: what it left, the packed request and the window of waiting for its answer (None: nothing is to be
    sent), and how the board was set for it."""

    head: Head
    computed: Stretch
    switched: Switched
    wire: Wire | None = None
    waiting: Window | None = None

    def outcome(self, outputs: Mapping[str, Array], cost: Cost) -> Outcome:
        """As it was meant to go, with the outputs of the tail."""
        switched, repeated_ms = self.switched, self.computed.repeated_ms
        return Outcome({**self.head.finished, **outputs}, cost, switched.missed, switched.ms, repeated_ms=repeated_ms)


class Execution:
    """Runs tasks on the board, the runner child and the cloud. Who runs one has its turn: it holds the device when `run`
    begins, and gives it up for as long as it waits for the cloud."""

    def __init__(
        self,
        controller: Controller,
        runners: Runners,
        cloud: Cloud,
        *,
        energies: Energies,
        clock: Clock,
        emulated_link: bool,
        guard: ThrottleGuard | None = None,
        accelerators: Accelerators | None = None,
    ) -> None:
        board = controller.board
        self._controller = controller
        self._runners = runners
        self._cloud = cloud
        self._clock = clock
        self._energies = energies
        self._accelerators = accelerators or Accelerators()
        self._guard = guard or ThrottleGuard(board.slowdown)
        link = Provenance.EMULATED if emulated_link else Provenance.MEASURED
        self._circumstances = Circumstances(board.provenance, link)
        self._head_works: dict[tuple[str, int, Codec | None, bool], Work] = {}
        self._tail_works: dict[tuple[str, int], Work] = {}

    def run(self, task: Task, turn: Turn) -> Outcome:
        """The outputs by the task's configuration; finished here where the cloud fails, all in the cloud where the runner
        fails. Raises RunnerLost, RunnerFailed, and for a strict task CloudFailed, when there is no way out; for one that is
        to be measured ClockNotApplied and Throttled as well; AcceleratorFailed whenever the accelerator fails, or the runner
        with it: another configuration may do."""
        if not task.measured:
            return self._run(task, turn)
        before = self._guard.begin()
        outcome = self._run(task, turn)
        return replace(outcome, throttled=self._guard.end(before))

    def _run(self, task: Task, turn: Turn) -> Outcome:
        try:
            departure = self._accelerated_head(task) if task.accelerated else self._head(task)
        except RunnerLost as lost:
            if task.strict or not task.may_send_inputs or task.configuration.cut == 0:
                raise
            return self._sent_whole(task, turn, lost)
        if departure.wire is None or departure.waiting is None:
            cost = bill([departure.computed], circumstances=self._circumstances)
            return departure.outcome({}, cost)
        with departure.waiting as waiting:
            return self._round_trip(task, turn, departure, wire=departure.wire, waiting=waiting)

    @property
    def switching(self) -> Switching:
        """What it takes to set the board otherwise, and how it is set. May be asked from any thread."""
        return self._controller.switching

    def runtime(self, bundle: Bundle, configuration: Configuration) -> str:
        """What computes a bundle's heads here."""
        return self._runners.open(RunnerKey(bundle.folder, configuration.threads, configuration.edge_accelerator))

    def _accelerated_head(self, task: Task) -> _Departure:
        """The head; how it went is told to who watches over the accelerator."""
        accelerator = task.configuration.edge_accelerator
        try:
            departure = self._head(task)
        except AcceleratorFailed as failure:
            self._accelerators.failed(accelerator, str(failure))
            raise
        except RunnerLost as lost:
            self._accelerators.hung(str(lost))
            raise AcceleratorFailed(str(lost)) from lost
        self._accelerators.worked(accelerator)
        return departure

    def _head(self, task: Task) -> _Departure:
        """Runs the head and packs what it leaves; where that is to be measured, as often as the meter needs to tell its energy.
        Opening the runner is not part of it."""
        switched = self._switched(task)
        if task.configuration.cut:
            self._runners.open(task.head_key)
        least_s = min(self._energies.shortest_s, _LONGEST_BATCH_S) if task.measured else 0.0
        with self._energies.open() as window:
            (head, wire), runs = self._headed(task), 1
            while self._clock() - window.began_s < least_s:
                (head, wire), runs = self._headed(task), runs + 1
            if wire is None:
                departure = _Departure(head, window.close().of_one(runs), switched)
            else:
                computed, waiting = window.hand_over()
                departure = _Departure(head, computed.of_one(runs), switched, wire, waiting)
        if task.measured:
            self._check_held(task, departure)
        return departure

    def _check_held(self, task: Task, departure: _Departure) -> None:
        """What is measured ran at its clock to the end of its head; after that the next request may change it."""
        try:
            self._controller.check_held(task.configuration)
        except ClockNotApplied:
            if departure.waiting:
                departure.waiting.close()
            raise

    def _headed(self, task: Task) -> tuple[Head, Wire | None]:
        """One run of the head, encoding as part of its work; no request where nothing is left to do."""
        edge_only = task.configuration.cut == task.bundle.manifest.operator_count
        head, boundary = self._controller.execute(
            self._head_work(task),
            lambda: self._encoded_head(task),
            threads=task.configuration.threads,
        )
        return head, None if edge_only else self._packed(task, boundary)

    def _switched(self, task: Task) -> Switched:
        """What is to be measured runs just so or not at all; a request is served at the clock that can be had."""
        if task.measured:
            return Switched(self._controller.apply(task.configuration))
        return self._controller.apply_nearest(task.configuration)

    def _encoded_head(self, task: Task) -> tuple[Head, tuple[Tensor, ...]]:
        """At cut 0 the boundary is the input, and the runner need not be asked."""
        cut, codec = task.configuration.cut, task.configuration.codec
        head = self._runner_head(task) if cut else Head(tuple(task.inputs), {})
        specs = task.bundle.manifest.cut(cut).boundary
        return head, tuple(encode(array, spec, codec) for array, spec in zip(head.boundary, specs, strict=True))

    def _runner_head(self, task: Task) -> Head:
        """An accelerator that hangs is found out by what is predicted of it; work on the CPU ends."""
        limit = limit_s(task.head_ms) if task.accelerated else None
        return self._runners.head(task.head_key, task.configuration.cut, task.inputs, limit_s=limit)

    def _packed(self, task: Task, boundary: tuple[Tensor, ...]) -> Wire:
        codec = task.configuration.codec
        parameters = {"cut": task.configuration.cut, "bundle": task.bundle.digest, "codec": codec.value}
        if task.due_s is not None:
            remaining_ms = (task.due_s - self._clock()) * 1e3
            parameters["remaining_ms"] = min(max(0.0, remaining_ms), LONGEST_WAIT_MS)  # after that nobody listens
        wire = pack_request(Message(boundary, parameters), compress=codec.compressed)
        return replace(wire, headers={**wire.headers, REQUEST_ID: task.request_id}) if task.request_id else wire

    def _round_trip(self, task: Task, turn: Turn, departure: _Departure, *, wire: Wire, waiting: Window) -> Outcome:
        manifest = task.bundle.manifest
        finished = manifest.cut(task.configuration.cut).finished_outputs
        missing = [spec for spec in manifest.outputs if spec.name not in finished]
        call = TailCall(manifest.network, task.bundle.digest, wire, missing)
        turn.release()
        try:
            reply = self._cloud.tail(call, timeout_ms=self._patience_ms(task))
        except CloudFailed as failure:
            if task.strict:
                raise
            turn.retake()
            return self._finished_here(task, departure, waiting.close(), failure=failure)
        cost = bill(
            [departure.computed],
            circumstances=self._circumstances,
            waited=waiting.close(),
            up_bytes=reply.up_bytes,
            reply=reply,
        )
        return departure.outcome(reply.outputs, cost)

    def _patience_ms(self, task: Task) -> float:
        """How long to wait for the cloud."""
        left_ms = math.inf if task.due_s is None else (task.due_s - self._clock()) * 1e3
        return patience_ms(left_ms=left_ms, cloud_ms=task.cloud_ms, home_ms=task.tail_ms)

    def _finished_here(self, task: Task, departure: _Departure, waited: Stretch, *, failure: CloudFailed) -> Outcome:
        """The tail of the same cut on the device, at the highest clock: what the head left is still here."""
        cut = task.configuration.cut
        self._controller.apply_top_clock()
        self._runners.open(task.tail_key)
        with self._energies.open() as window:
            outputs = self._controller.execute(
                self._tail_work(task.bundle, cut),
                lambda: self._runners.tail(task.tail_key, cut, departure.head.boundary),
                threads=task.configuration.threads,
            )
            tail = window.close()
        computed = [departure.computed, tail]
        cost = bill(computed, circumstances=self._circumstances, waited=waited, up_bytes=failure.sent_bytes)
        return Outcome({**departure.head.finished, **outputs}, cost, fallback=str(failure))

    def _sent_whole(self, task: Task, turn: Turn, lost: RunnerLost) -> Outcome:
        logger.warning("%s; sending the whole input instead", lost)
        whole = replace(task.configuration, cut=0, codec=Codec.RAW)
        try:
            outcome = self._run(replace(task, configuration=whole, strict=True), turn)
        except CloudFailed as failure:
            raise lost from failure
        return replace(outcome, fallback=str(lost), lost=lost)

    def _head_work(self, task: Task) -> Work:
        """The work of the head, and of encoding what it leaves where anything is sent."""
        manifest, cut = task.bundle.manifest, task.configuration.cut
        codec = None if cut == manifest.operator_count else task.configuration.codec
        key = (task.bundle.digest, cut, codec, task.accelerated)
        if key not in self._head_works:
            self._head_works[key] = head_work(manifest, cut, codec, accelerated=task.accelerated)
        return self._head_works[key]

    def _tail_work(self, bundle: Bundle, cut: int) -> Work:
        key = (bundle.digest, cut)
        if key not in self._tail_works:
            self._tail_works[key] = bundle.manifest.tail_work(cut)
        return self._tail_works[key]
