"""The agent: one request, from its start to its telemetry."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge.offload.cloud import Cloud
from edge.requests.asked import Asked
from edge.requests.bounds import Bounds
from edge.requests.decision import Answer, Decision, can_run, hopeless, on_cpu, served_as, why_avoided
from edge.requests.execution import Execution
from edge.requests.learning import Learner, Lesson
from edge.requests.parting import Parting
from edge.requests.recorder import Recorder, Served, Subject
from edge.requests.task import Outcome, Task
from edge.requests.turns import Claim, Turn, Turns
from edge.tables.networks import Network, Networks, Plan
from hardware.clock import Clock
from models.bundle import Bundle
from planner.choosing.candidates import Candidates
from planner.choosing.explanation import Explanation, explain
from planner.choosing.strategies import Request, choose
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed, DeadlineHopeless, DynaSplitError, NotFound, ServiceMissing
from protocol.inference import Message
from protocol.measurement import Measurement
from protocol.tensors import Array

_NO_ROW_WITHOUT = "every row that would do needs an accelerator that cannot be used now; the same cut ran on the CPU"

_NOT_THE_CALLERS_FAULT = 429
"""From this HTTP status on a refusal is the device's, and is recorded."""


class Agent:
    """Serves inference requests, one head at a time; each is in the outbox before its answer leaves. Thread-safe."""

    def __init__(
        self,
        networks: Networks,
        execution: Execution,
        cloud: Cloud,
        recorder: Recorder,
        *,
        bounds: Bounds,
        turns: Turns,
        learner: Learner,
        clock: Clock = time.monotonic,
    ) -> None:
        self._networks = networks
        self._execution = execution
        self._cloud = cloud
        self._recorder = recorder
        self._bounds = bounds
        self._turns = turns
        self._learner = learner
        self._clock = clock
        self._parting = Parting()

    def infer(self, name: str, message: Message, asked: Asked) -> Answer:
        """The answer to a request.

        Raises NotFound for an unknown network or output, InvalidInput for inputs that do not fit it or a configuration
        that cannot run here, Overloaded, DeadlineHopeless (the caller asked not to be served late), ServiceMissing
        (no table), RunnerLost, when profiling CloudFailed, ClockNotApplied and Throttled, and AcceleratorFailed for a
        configuration whose accelerator fails.
        """
        network = self._networks.get(name)
        bundle = network.bundle_for(pinned=asked.configuration is not None)
        inputs = message.by_name(bundle.manifest.inputs)
        _check_outputs(bundle, message.outputs)
        try:
            with self._turns.turn(self._claim(network, asked)) as turn:
                return self._serve(network, inputs, asked, turn)
        except DynaSplitError as error:
            if error.http_status >= _NOT_THE_CALLERS_FAULT and not asked.profile:
                table = network.plan.table.digest if network.plan and not asked.configuration else ""
                self._recorder.refused(Subject(name, bundle.digest, table), asked, str(error))
            raise

    def parted(self, answer: Answer) -> None:
        """Call it when an answer is packed, so that later ones are judged by when they leave, not by when they were there."""
        if answer.measurement is None:
            self._parting.took((self._clock() - answer.done_s) * 1e3)

    def learn(self, name: str) -> None:
        """Learns from the requests that were served, so that the next one is decided at once. For when an answer has left."""
        if plan := self._networks.get(name).plan:
            self._learner.catch_up(plan, self._clock(), **self._now(name))

    def explain(self, name: str, asked: Asked) -> Explanation:
        """How a request would be decided whose turn came now with all of its deadline left, and why. Errors as `infer`."""
        network, now_s = self._networks.get(name), self._clock()
        request = self._request(asked, asked.deadline_ms, now_s, overlaps=self._turns.room)
        return explain(asked.strategy, self._candidates(network, _plan(network), now_s), request)

    def state(self, name: str) -> dict[str, Any]:
        """What the agent has learned about a network's table, and what the device may still send."""
        plan = self._networks.get(name).plan
        return {**(self._learner.state(plan) if plan else {}), **self._bounds.allowance.to_json()}

    def _claim(self, network: Network, asked: Asked) -> Claim:
        """A measurement is of one request alone, whatever else waits."""
        return Claim(asked.due_s, self._latest_s(network, asked), alone=asked.profile, gone=asked.gone)

    def _latest_s(self, network: Network, asked: Asked) -> float:
        """From when on not even the quickest row answers a request in time that would rather be refused than be late."""
        if not asked.reject_late or asked.configuration or asked.deadline_ms is None:
            return math.inf
        candidates = self._candidates(network, _plan(network), self._clock())
        return asked.due_s - (candidates.quickest_ms(asked.account) + self._parting_ms(asked)) / 1e3

    def _serve(self, network: Network, inputs: Sequence[Array], asked: Asked, turn: Turn) -> Answer:
        decision, chosen_s, outcome = self._tried(network, inputs, asked, turn)
        done_s = self._clock()
        overlapped = turn.overlapped
        if not asked.profile:
            turn.end()
        self._learn(decision, outcome, done_s, took_ms=(done_s - chosen_s) * 1e3, overlapped=overlapped)
        served = served_as(decision, outcome, asked, done_s, parting_ms=self._parting_ms(asked))
        measurement = self._record(network, decision, served, asked)
        return Answer(outcome.outputs, decision.subject, asked.strategy, served, chosen_s, done_s, measurement)

    def _parting_ms(self, asked: Asked) -> float:
        """What is measured is not what keeping it takes."""
        return 0.0 if asked.profile else self._parting.expected_ms

    def _tried(
        self, network: Network, inputs: Sequence[Array], asked: Asked, turn: Turn
    ) -> tuple[Decision, float, Outcome]:
        """Decides, says when that was, and runs. Whenever an accelerator fails, the request is decided anew: what failed is
        left alone then."""
        failure = ""
        for _ in EdgeAccelerator:
            decision, chosen_s = self._decide(network, asked, overlaps=turn.overlaps), self._clock()
            try:
                outcome = self._run(decision, self._task(decision, inputs, asked), turn)
            except AcceleratorFailed as failed:
                if asked.configuration:
                    raise
                failure = str(failed)
                continue
            return decision, chosen_s, replace(outcome, fallback=failure or outcome.fallback)
        raise AcceleratorFailed(failure)

    def _run(self, decision: Decision, task: Task, turn: Turn) -> Outcome:
        """Whoever judges new tables hears how it went."""
        probations, table = self._networks.probations, decision.subject.table
        try:
            outcome = self._execution.run(task, turn)
        except DynaSplitError as error:
            probations.outcome(table, decision.configuration, error)
            raise
        probations.outcome(table, decision.configuration, outcome.lost)
        return outcome

    def _decide(self, network: Network, asked: Asked, *, overlaps: bool) -> Decision:
        if asked.configuration:
            self._bounds.check(asked.configuration, network.bundle)
            self._bounds.accelerators.check(asked.configuration.edge_accelerator)
            return Decision(network.bundle, asked.configuration)
        plan, now_s = _plan(network), self._clock()
        request = self._request(asked, asked.remaining_ms(now_s), now_s, overlaps=overlaps)
        candidates = self._candidates(network, plan, now_s)
        choice = choose(asked.strategy, candidates, request)
        if asked.reject_late and not choice.in_time:
            raise DeadlineHopeless(hopeless(asked, request, choice))
        if not can_run(choice, candidates):
            return Decision(plan.bundle, on_cpu(choice, candidates), plan, avoided=_NO_ROW_WITHOUT)
        avoided = "" if candidates.cloud_available else why_avoided(asked.strategy, candidates, request)
        return Decision(plan.bundle, choice.row.configuration, plan, choice, candidates, request.deadline_ms, avoided)

    def _request(self, asked: Asked, deadline_ms: float | None, now_s: float, *, overlaps: bool) -> Request:
        """`deadline_ms`: what is left of the deadline, of which parting takes its share."""
        behind_ms = self._turns.behind_ms(now_s)
        if deadline_ms is not None:
            deadline_ms -= self._parting_ms(asked)
        return Request(deadline_ms, asked.account, asked.min_accuracy, behind_ms, overlaps=overlaps)

    def _candidates(self, network: Network, plan: Plan, now_s: float) -> Candidates:
        return self._learner.candidates(plan, now_s, **self._now(network.name))

    def _now(self, name: str) -> dict[str, Any]:
        """How things stand that prices depend on, beside the link and what was learned."""
        return {
            "cloud_available": self._cloud.available(name),
            "limits": self._bounds.now,
            "switching": self._execution.switching,
        }

    def _task(self, decision: Decision, inputs: Sequence[Array], asked: Asked) -> Task:
        plan, configuration = decision.plan, decision.configuration
        return Task(
            bundle=decision.bundle,
            configuration=configuration,
            inputs=inputs,
            due_s=None if asked.deadline_ms is None else asked.due_s - self._parting_ms(asked) / 1e3,
            cloud_ms=decision.waiting_ms,
            tail_ms=plan.tail_ms[configuration.cut] if plan else 0.0,
            head_ms=decision.choice.row.head_ms if decision.choice else 0.0,
            strict=asked.profile,
            measured=asked.profile,
            may_send_inputs=self._bounds.limits.min_cut == 0,
            request_id=asked.request_id,
        )

    def _learn(self, decision: Decision, outcome: Outcome, now_s: float, *, took_ms: float, overlapped: bool) -> None:
        """Only from what went as chosen: a fallback tells nothing about the row or the link, and a share of the energy
        that several requests took together nothing about what the row takes."""
        if outcome.fallback:
            return
        self._learner.observe_transfer(outcome.cost, now_s)
        if decision.plan and decision.choice and decision.candidates:
            lesson = Lesson(
                decision.candidates,
                decision.choice,
                decision.deadline_ms,
                outcome.cost,
                took_ms=took_ms,
                switched_ms=outcome.switched_ms,
                overlapped=overlapped,
            )
            self._learner.observe(decision.plan, lesson)

    def _record(self, network: Network, decision: Decision, served: Served, asked: Asked) -> Measurement | None:
        if not asked.profile:
            self._recorder.served(decision.subject, asked, served)
            return None
        link = self._learner.link(network.plan, self._clock())
        runtime = self._execution.runtime(decision.bundle, decision.configuration)
        return self._recorder.measured(decision.subject, asked, served, link=link, runtime=runtime)


def _plan(network: Network) -> Plan:
    if network.plan is None:
        raise ServiceMissing(f"network {network.name} has no table on this device yet: push one (dynasplit push)")
    return network.plan


def _check_outputs(bundle: Bundle, names: Sequence[str]) -> None:
    there = [spec.name for spec in bundle.manifest.outputs]
    if unknown := [name for name in names if name not in there]:
        raise NotFound(f"output '{unknown[0]:.60}' does not exist; the network gives {', '.join(there)}")
