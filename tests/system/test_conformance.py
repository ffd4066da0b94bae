"""An unmodified client of the protocol, `tritonclient[http]`, against backend and agent alike: what both answer.

What only the backend has, tails, loading and tokens, is asked of it in `tests/cloud/serving`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from models.cutting.plain import make_bundle
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, load_digits_vgg
from protocol.configuration import Configuration
from protocol.link import REFERENCE_LINK
from protocol.signing import sign
from protocol.table import Row, Table
from tools.push import wait_for_report
from tools.stack import NodeProfile, Stack

pytestmark = pytest.mark.system

DEVICE = "pi-1"
AT_ONCE = 8
"""As many as an agent lets in."""


@dataclass(frozen=True)
class Served:
    """Where the network is served, under which name, and what it says to the image."""

    address: str
    name: str
    token: str
    digest: str
    answer: np.ndarray


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[tuple[Stack, str, np.ndarray]]:
    """Backend and agent that serve the digits, the agent all on its board; the bundle and what the network says to the image."""
    bundle = make_bundle(digits_vgg(), tmp_path_factory.mktemp("bundles") / "digits", name="digits", cuts=(4,))
    runner = open_runner(bundle, cache_dir=tmp_path_factory.mktemp("weights"))
    (answer,) = runner.head(bundle.manifest.operator_count, [load_digits_vgg().input(7)]).finished.values()
    runner.close()
    alone = Configuration(bundle.manifest.operator_count, 1_800_000)
    row = Row(alone, 55.0, 240.0, 3.79, 0, 0, 0.0, 0.0, 0.0, 0.99)
    table = Table("digits", bundle.digest, DEVICE, REFERENCE_LINK, (row,), 1)
    node = NodeProfile(busy_watts=40.0, idle_watts=10.0)
    with Stack(tmp_path_factory.mktemp("stack"), device=DEVICE, board="emulated-pi4", node=node) as running:
        running.backend.upload_bundle(bundle)
        running.backend.push(sign(table, running.private_key))
        assert wait_for_report(running.backend, table, timeout_s=30).reason == ""
        yield running, bundle.digest, np.asarray(answer)


@pytest.fixture(params=["backend", "agent"])
def served(stack, request) -> Served:
    running, digest, answer = stack
    url = getattr(running, request.param).url
    name = {"backend": "dynasplit-backend", "agent": "dynasplit-edge"}[request.param]
    return Served(url.removeprefix("http://"), name, running.token, digest, answer)


@pytest.fixture
def client(served) -> Iterator[InferenceServerClient]:
    with contextlib.closing(InferenceServerClient(served.address, concurrency=AT_ONCE)) as opened:
        yield opened


@pytest.fixture
def shown(served) -> dict[str, str]:
    """The token; the client writes into what it is given."""
    return {"Authorization": f"Bearer {served.token}"}


@pytest.fixture
def named(client, shown) -> tuple[str, str]:
    """What the network's input and output are called here."""
    described = client.get_model_metadata("digits", headers=dict(shown))
    return described["inputs"][0]["name"], described["outputs"][0]["name"]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.asarray(load_digits_vgg().input(7))


def given(name: str, array: np.ndarray, *, binary: bool = True) -> InferInput:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def refused(status: int, words: str):
    return pytest.raises(InferenceServerException, match=rf"(?s)\[{status}\].*{words}")


def test_the_server_is_live_and_ready_and_says_what_it_is(client, served, shown):
    assert client.is_server_live()
    assert client.is_server_ready()

    metadata = client.get_server_metadata(headers=shown)

    assert metadata["name"] == served.name
    assert {"binary_tensor_data", "model_configuration", "model_repository", "statistics"} <= set(
        metadata["extensions"]
    )


def test_a_network_is_listed_and_described(client, served, shown, image):
    (entry,) = client.get_model_repository_index(headers=dict(shown))
    metadata = client.get_model_metadata("digits", headers=dict(shown))
    config = client.get_model_config("digits", headers=dict(shown))

    assert (entry["name"], entry["version"], entry["state"]) == ("digits", "1", "READY")
    assert client.is_model_ready("digits", headers=dict(shown))
    assert client.is_model_ready("digits", "1", headers=dict(shown))
    assert not client.is_model_ready("faces", headers=dict(shown))
    assert not client.is_model_ready("digits", "9", headers=dict(shown))
    assert metadata["versions"] == ["1"]
    (taken,), (given_back,) = metadata["inputs"], metadata["outputs"]
    assert (taken["datatype"], taken["shape"]) == ("FP32", list(image.shape))
    assert (config["input"][0]["data_type"], config["input"][0]["dims"]) == ("TYPE_FP32", list(image.shape))
    assert config["output"][0]["name"] == given_back["name"]
    assert config["parameters"]["bundle"] == {"string_value": served.digest}
    assert metadata == client.get_model_metadata("digits", "1", headers=dict(shown))
    assert metadata["parameters"]["bundle"] == served.digest


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("outputs", ["all", "binary", "json"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary input", "JSON input"])
def test_the_whole_network_answers_bit_by_bit(client, served, shown, named, image, compression, outputs, binary):
    taken, name = named
    asked = None if outputs == "all" else [InferRequestedOutput(name, binary_data=outputs == "binary")]

    result = client.infer(
        "digits",
        [given(taken, image, binary=binary)],
        outputs=asked,
        request_id="seven",
        headers=shown,
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )

    assert result.as_numpy(name).tobytes() == served.answer.tobytes()
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("digits", "1", "seven")
    assert ("data" in response["outputs"][0]) == (outputs == "json")


def test_requests_may_overlap(client, served, shown, named, image):
    taken, name = named

    pending = [client.async_infer("digits", [given(taken, image)], headers=dict(shown)) for _ in range(AT_ONCE)]

    answers = [each.get_result().as_numpy(name).tobytes() for each in pending]
    assert answers == [served.answer.tobytes()] * AT_ONCE


@pytest.mark.parametrize(
    ("network", "name", "change", "status", "words"),
    [
        ("faces", "", lambda image: image, 404, "faces"),
        ("digits", "b7", lambda image: image, 400, "b7|is missing"),
        ("digits", "", lambda image: image[:, :5], 400, r"FP32 \[1, 64, 64, 1\]|shape \[1, 64, 64, 1\]"),
        ("digits", "", lambda image: image.astype(np.float64), 400, "must be FP32"),
        ("digits", "", lambda image: image.astype(np.object_), 400, "BYTES"),
    ],
    ids=["network", "name", "shape", "dtype", "text"],
)
def test_what_does_not_fit_is_told(client, shown, named, image, network, name, change, status, words):
    with refused(status, words):
        client.infer(network, [given(name or named[0], change(image))], headers=shown)


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"outputs": [InferRequestedOutput("nonsense")]}, 404, "nonsense"),
        ({"outputs": [InferRequestedOutput("nonsense", class_count=3)]}, 400, "classification"),
        ({"model_version": "9"}, 404, "version '9'"),
        ({"headers": {"Authorization": "Bearer wrong"}}, 401, "token"),
    ],
    ids=["output", "classes", "version", "wrong token"],
)
def test_what_is_not_here_is_told(client, shown, named, image, more, status, words):
    with refused(status, words):
        client.infer("digits", [given(named[0], image)], **{"headers": shown, **more})


def test_loading_what_is_not_here_and_another_configuration_is_refused(client, shown):
    with refused(404, "faces"):
        client.unload_model("faces", headers=dict(shown))
    with refused(404, "faces"):
        client.load_model("faces", headers=dict(shown))
    with refused(400, "config"):
        client.load_model("digits", config="{}", headers=dict(shown))


def test_statistics_count_what_was_served(client, shown, named, image):
    def counted() -> int:
        """Of all processes: each answers for itself."""
        (told,) = client.get_inference_statistics("digits", headers=dict(shown))["model_stats"]
        assert {"success", "fail", "queue", "compute_infer"} <= set(told["inference_stats"])
        assert [each["name"] for each in client.get_inference_statistics(headers=dict(shown))["model_stats"]] == [
            "digits"
        ]
        return int(told["inference_count"])

    before, deadline = counted(), time.monotonic() + 30
    while counted() <= before:
        assert time.monotonic() < deadline, "what was served was not counted"
        client.infer("digits", [given(named[0], image)], headers=dict(shown))
