"""A backend without network, broker or database, and a real bundle of the digits network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cloud.app import create_app
from cloud.broker.accounts import MemoryAccounts
from cloud.broker.publishing import MemoryPublisher
from cloud.bundles.files import BundleFiles
from cloud.inference.tails import Tails
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.running.runner import FakeRunner
from models.zoo import digits_vgg, load_digits_vgg
from protocol.configuration import Account, Configuration, Provenance
from protocol.inference import Message, pack_request, unpack_reply
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from protocol.messages import Inference
from protocol.signing import generate_private_key, sign
from protocol.table import Row, Table
from protocol.tensors import Tensor

OPERATOR = "operator-token"
KEY = generate_private_key()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits network with two cut points inside."""
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name="digits", cuts=(4, 10))


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return load_digits_vgg().input(7)


@pytest.fixture
def settings(tmp_path) -> BackendSettings:
    return BackendSettings(
        data_dir=tmp_path / "data",
        operator_token=OPERATOR,
        node_busy_watts=40.0,
        node_idle_watts=10.0,
        max_body_bytes=2_000_000,
        max_artifact_bytes=50_000_000,
    )


@dataclass
class Backend:
    """An app with its test client and the fakes behind it."""

    app: Flask
    client: FlaskClient
    store: Store
    publisher: MemoryPublisher
    accounts: MemoryAccounts

    def call(self, method: str, path: str, *, token: str = OPERATOR, **more: Any) -> TestResponse:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, buffered=True, **more)

    def upload(self, bundle: Bundle) -> TestResponse:
        for artifact in bundle.manifest.artifacts:
            content = (bundle.folder / artifact.filename).read_bytes()
            assert self.call("PUT", f"/api/v1/artifacts/{artifact.sha256}", data=content).status_code in (200, 201)
        manifest = (bundle.folder / "bundle.json").read_bytes()
        return self.call("PUT", f"/api/v1/bundles/{bundle.digest}", data=manifest)

    def device(self, name: str = "pi-1") -> str:
        """Registers a device; its token."""
        return str(self.call("POST", "/api/v1/devices", json={"id": name}).get_json()["token"])

    def infer(self, message: Message, network: str = "digits", *, compress: bool = False, **more: Any) -> TestResponse:
        wire = pack_request(message, compress=compress)
        path = f"/v2/models/{network}/infer"
        headers = dict(wire.headers) | more.pop("headers", {})
        return self.call("POST", path, data=wire.body, headers=headers, **more)


MakeBackend = Callable[..., Backend]


@pytest.fixture
def make_backend(settings) -> MakeBackend:
    """Backends on the same folder, by default with fake runners; settings can be changed."""

    def make(*, store: Store | None = None, real: bool = False, **change: Any) -> Backend:
        changed = with_changes(settings, **change)
        store, publisher = store or MemoryStore(), MemoryPublisher()
        tails = None if real else fake_tails(changed.data_dir, most_open=changed.open_bundles)
        accounts = MemoryAccounts()
        app = create_app(changed, store=store, publisher=publisher, tails=tails, accounts=accounts)
        return Backend(app, app.test_client(), store, publisher, accounts)

    return make


def fake_tails(folder: Path, *, most_open: int = 4) -> Tails:
    return Tails(
        BundleFiles(folder),
        open_runner=lambda bundle: FakeRunner(bundle.manifest),
        most_open=most_open,
        most_waiting=16,
    )


@pytest.fixture
def backend(make_backend) -> Backend:
    return make_backend()


@pytest.fixture
def stocked(backend, digits) -> Backend:
    """A backend that has the digits bundle."""
    assert backend.upload(digits).status_code == 201
    return backend


@pytest.fixture
def whole_request(image) -> Message:
    """What any client of the protocol sends: the whole network, no parameters."""
    return Message((Tensor("b0", image),))


@pytest.fixture
def reply_of() -> Callable[[TestResponse], Message]:
    def unpack(response: TestResponse) -> Message:
        assert response.status_code == 200, response.get_json()
        return unpack_reply(dict(response.headers), response.data)

    return unpack


@pytest.fixture
def make_signed() -> Callable[..., Any]:
    def make(
        version: int = 1, *, device: str = "pi-1", network: str = "digits", head_ms: float = 4.5, bundle: str = "b" * 64
    ) -> Any:
        row = Row(Configuration(3, 1_500_000), head_ms, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
        return sign(Table(network, bundle, device, REFERENCE_LINK, (row,), version), KEY)

    return make


@pytest.fixture
def bundle_of_tables(backend, make_signed) -> str:
    """The bundle that signed tables are of, as the backend has it; its digest."""
    digest = str(make_signed().table.bundle)
    backend.store.add_bundle(digest, network="digits")
    return digest


_COST = Cost(4.5, 2.5, 1.5, 8.5, 1000, 40, 12.0, 3.0, 60.0, None, {"head_ms": Provenance.EMULATED})


@pytest.fixture
def inference() -> Inference:
    return Inference(
        network="digits",
        bundle="b" * 64,
        strategy="dynasplit",
        account=Account.EDGE_NODE,
        configuration=Configuration(3, 1_500_000),
        cost=_COST,
        deadline_ms=50.0,
        violation=False,
        fallback="",
        refused="",
        table_digest="t" * 64,
        at=1_700_000_000.25,
        clock_synced=True,
        run="evening",
    )


@pytest.fixture
def measurement() -> Measurement:
    return Measurement(
        configuration=Configuration(3, 1_500_000),
        cost=_COST,
        network="digits",
        bundle="b" * 64,
        device="pi-1",
        runtime="fake",
        link=REFERENCE_LINK,
        at=1_700_000_000.5,
        clock_synced=False,
        run="profile",
    )


def record(sequence: int, body: Mapping[str, Any], kind: str = "inference") -> dict[str, Any]:
    return {"sequence": sequence, "kind": kind, "body": dict(body)}
