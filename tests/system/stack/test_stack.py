"""docker-compose.yml for real: up with TLS, an agent that works against it, everything killed in turn under load, down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import pytest
from soak.callers import Callers
from soak.world import wait_until
from stack.building import ROOT, import_base
from stack.composed import Composed
from stack.composes import OLDER, add_newer
from stack.engine import Engine, in_network_of, needed

from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, load_digits_vgg
from planner.findings import Wanted, findings
from planner.profiling import plan
from protocol.configuration import Account, Codec
from protocol.errors import DynaSplitError
from protocol.tensors import Tensor
from tools import keys
from tools.agent import Agent
from tools.backend import Backend
from tools.profile_device import measure, prepare, space_of
from tools.push import push, wait_for_report

AGENT = "http://127.0.0.1:8600"
BACKEND = "https://localhost:8000"
KILLED = ("database", "broker", "backend", "ingest")
BETWEEN = 60
"""Requests that are answered between one fault and the next."""
REQUESTS = BETWEEN * (len(KILLED) + 2)
BACK_S = 90.0

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Composed:
    """All images, and nothing that runs."""
    needed()
    folder = tmp_path_factory.mktemp("stack")
    engine = Engine(folder / "docker")
    add_newer(engine)
    composed = Composed(engine, folder / "dynasplit")
    with engine.building():
        import_base(engine, folder)
        composed.build()
    return composed


@pytest.fixture(scope="module")
def stack(built) -> Iterator[Composed]:
    with built.engine.running(), in_network_of(built.engine.process_id), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(built.folder / "certs" / "ca.pem"))
        built.up()
        wait_until(lambda: answers(Agent(AGENT)), lambda: f"no agent: {built.state()}", timeout_s=BACK_S)
        yield built
        built.down()
        assert not any(built.containers(service) for service in (*KILLED, "demo-agent", "migrate", "prepare"))


@pytest.fixture(scope="module")
def network(stack, tmp_path_factory) -> str:
    """One that the agent has a table for."""
    known = load_digits_vgg("int8")
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    bundle = make_bundle(digits_vgg("int8"), folder, name=known.name, cuts=(4, 10), scaling=known.card.scaling)
    token = stack.settings["DYNASPLIT_OPERATOR_TOKEN"]
    with contextlib.closing(Backend(BACKEND, token=token)) as backend, contextlib.closing(agent(stack)) as device:
        prepare(backend, device, bundle)
        space = space_of(device, bundle, (Codec.RAW,))
        measured = measure(device, bundle, plan(space), known.input(1), repeats=1, run="profile", step=lambda: None)
        table = findings(list(measured), space, Wanted(Account.EDGE_NODE)).table
        signed = push(backend, table, keys.load(stack.folder / "operator.key"))
        assert wait_for_report(backend, signed, timeout_s=30).reason == ""
    return bundle.manifest.network


def agent(stack: Composed) -> Agent:
    return Agent(AGENT, token=stack.settings["DYNASPLIT_OPERATOR_TOKEN"])


def answers(device: Agent) -> bool:
    try:
        device.ready()
    except DynaSplitError:
        return False
    finally:
        device.close()
    return True


def test_what_was_answered_is_stored_once_though_everything_is_killed_in_turn(stack, network):
    tensors = [Tensor("x", load_digits_vgg("int8").input(number)) for number in range(10)]
    callers = Callers(lambda: agent(stack), network, named(stack, network, tensors), requests=REQUESTS, count=2, seed=7)
    callers.start()
    for number, service in enumerate(KILLED, start=1):
        wait_until(
            partial(has_answered, callers, BETWEEN * number), lambda: f"no answers: {stack.state()}", timeout_s=BACK_S
        )
        container = stack.containers(service)[0]
        stack.kill(container)
        wait_until(partial(is_back, stack, container), lambda: f"one is not back: {stack.state()}", timeout_s=BACK_S)
    callers.join(BACK_S)
    assert callers.heard.lost == []

    answered = set(callers.heard.answered)
    wait_until(lambda: answered <= set(stack.stored_runs()), lambda: missing(stack, answered), timeout_s=BACK_S)
    stored = stack.stored_runs()
    assert {run: stored[run] for run in answered if stored[run] != 1} == {}
    with contextlib.closing(agent(stack)) as device:
        wait_until(lambda: device.device()["outbox"]["waiting"] == 0, "records still wait at the agent")
    wait_until(stack.all_well, lambda: f"not all are well again: {stack.state()}", timeout_s=BACK_S)


def has_answered(callers: Callers, count: int) -> bool:
    return callers.heard.count >= count


def is_back(stack: Composed, container: str) -> bool:
    return stack.restarts(container) > 0 and stack.is_well(container)


def named(stack: Composed, network: str, tensors: list[Tensor]) -> list[Tensor]:
    """Under the name that the network's input has."""
    with contextlib.closing(agent(stack)) as device:
        (spec,) = device.inputs(network)
    return [Tensor(spec.name, tensor.array) for tensor in tensors]


def missing(stack: Composed, answered: set[str]) -> str:
    return f"{sorted(answered - set(stack.stored_runs()))} are not stored: {stack.state()}"


@pytest.mark.parametrize("service", [*KILLED, "demo-agent"])
def test_a_container_may_do_no_more_than_it_needs(stack, service):
    seen = stack.inspect(stack.containers(service)[0])
    host = seen["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"] or service == "database"
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert seen["Config"]["User"] not in ("", "0", "root") or service == "database"
    published = [place["HostIp"] for places in (host["PortBindings"] or {}).values() for place in places]
    assert set(published) <= {"127.0.0.1"}


def test_no_secret_is_in_a_log(stack, network):
    logs = stack.logs()
    assert [secret for secret in stack.secrets if secret in logs] == []


@pytest.mark.parametrize("image", ["dynasplit-cloud", "dynasplit-edge"])
def test_an_image_holds_neither_what_built_it_nor_a_secret(stack, image):
    docker = stack.engine.docker
    told = docker("history", "--no-trunc", image) + docker("inspect", image)
    assert [secret for secret in stack.secrets if secret in told] == []
    look = "! command -v pip && ! find / -xdev -name ca.pem -o -xdev -name '*.key' -o -xdev -name .env | grep ."
    docker("run", "--rm", "--network=none", "--user=0", image, "sh", "-c", look)


def test_what_was_backed_up_is_there_again_after_a_restore(stack, network):
    """The guide's commands, as they stand there; by the older compose what starts an empty stack."""
    before, (bundle,) = stack.stored_runs(), bundles_of(stack)
    stack.run_commands(commands("- **Backup**"))
    accounts = stack.broker_accounts()
    stack.down()
    stack.run_commands(commands("- **Restore**"), compose=OLDER)
    wait_until(stack.all_well, lambda: f"not all are well: {stack.state()}", timeout_s=BACK_S)

    assert before.items() <= stack.stored_runs().items()
    assert stack.broker_accounts() == accounts
    wait_until(lambda: bundles_of(stack) == [bundle], "the bundle is not back")


def bundles_of(stack: Composed) -> list[str]:
    """The digests that the backend has files of."""
    with contextlib.closing(Backend(BACKEND, token=stack.settings["DYNASPLIT_OPERATOR_TOKEN"])) as backend:
        found = [str(item["digest"]) for item in backend._web.items("/api/v1/bundles")]
        for digest in found:
            backend._web.call("GET", f"/api/v1/bundles/{digest}")
    return found


def commands(heading: str) -> str:
    """The guide's commands below a heading."""
    below = (ROOT / "docs" / "guide" / "cloud.md").read_text().partition(heading)[2].partition("\n- ")[0]
    return "\n".join(line.strip() for line in below.splitlines() if line.startswith("      "))
