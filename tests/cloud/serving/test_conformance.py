"""An unmodified client of the protocol, `tritonclient[http]`, against the backend under gunicorn: what the backend alone has.

What the agent answers as well is asked of both in `tests/system/test_conformance.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from models.cutting.plain import make_bundle
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg
from protocol.configuration import Codec
from protocol.tensors import encode

pytestmark = pytest.mark.system

CUTS = (4, 10)


@pytest.fixture(scope="module")
def served(start_server, eventually, digits):
    """One worker, so that its counts are all there are."""
    server = start_server()
    eventually(server.answers, "the backend is ready")
    server.upload(digits)
    return server


@pytest.fixture
def client(served) -> Iterator[InferenceServerClient]:
    with contextlib.closing(InferenceServerClient(f"127.0.0.1:{served.port}", concurrency=8)) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(digits, image, tmp_path_factory):
    """The output's name, and its values where the network runs in one piece."""
    runner = open_runner(digits, cache_dir=tmp_path_factory.mktemp("weights"))
    ((name, values),) = runner.head(digits.manifest.operator_count, [image]).finished.items()
    yield name, values
    runner.close()


@pytest.fixture(scope="module")
def boundaries(digits, image, tmp_path_factory):
    """What leaves the device, by cut."""
    runner = open_runner(digits, cache_dir=tmp_path_factory.mktemp("weights"))
    yield {cut: runner.head(cut, [image]).boundary for cut in CUTS}
    runner.close()


def given(name: str, array: np.ndarray, *, binary: bool = True) -> InferInput:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def now() -> dict[str, str]:
    """New each time: the client writes into them."""
    return {"Authorization": "Bearer secret-of-the-operator"}


def refused(status: int, words: str):
    return pytest.raises(InferenceServerException, match=rf"(?s)\[{status}\].*{words}")


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_the_answer_is_compressed_as_asked(served, image, compression):
    body, length = InferenceServerClient.generate_request_body([given("b0", image)])
    headers = {"Inference-Header-Content-Length": str(length), "Accept-Encoding": compression}

    status, told, _ = served.ask("POST", "/v2/models/digits/infer", body, **headers)

    assert (status, told["Content-Encoding"]) == (200, compression)


@pytest.mark.parametrize("codec", [Codec.RAW, Codec.FP16, Codec.INT8])
@pytest.mark.parametrize("cut", CUTS)
def test_a_tail_goes_on_where_the_head_ended(client, digits, boundaries, whole, cut, codec):
    name, values = whole
    specs = digits.manifest.cut(cut).boundary
    tensors = [encode(array, spec, codec) for array, spec in zip(boundaries[cut], specs, strict=True)]
    inputs = [given(tensor.name, tensor.array) for tensor in tensors]
    for tensor, sent in zip(tensors, inputs, strict=True):
        sent._parameters |= tensor.parameters

    result = client.infer(
        "digits", inputs, headers=now(), parameters={"cut": cut, "bundle": digits.digest, "codec": codec.value}
    )

    found = result.as_numpy(name)
    assert found.argmax() == values.argmax()
    assert codec is not Codec.RAW or found.tobytes() == values.tobytes()
    parameters = result.get_response()["parameters"]
    assert parameters["cloud_ms"] > 0
    assert parameters["cloud_ms_provenance"] == "measured"


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"parameters": {"cut": 5}}, 404, "0, 4, 10, 18"),
        ({"parameters": {"bundle": "f" * 64}}, 404, "ffff"),
        ({"headers": {}}, 401, "token"),
    ],
    ids=["cut", "bundle", "no token"],
)
def test_what_is_not_here_is_told(client, image, more, status, words):
    with refused(status, words):
        client.infer("digits", [given("b0", image)], **{"headers": now(), **more})


def test_statistics_count_what_was_served(client, image):
    def counted() -> dict:
        return client.get_inference_statistics("digits", headers=now())["model_stats"][0]

    before = counted()
    client.infer("digits", [given("b0", image)], headers=now())
    after = counted()

    assert after["inference_count"] == before["inference_count"] + 1
    for name in ("success", "queue", "compute_infer"):
        assert after["inference_stats"][name]["count"] == before["inference_stats"][name]["count"] + 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    everything = client.get_inference_statistics(headers=now())["model_stats"]
    assert after["name"] in [each["name"] for each in everything]


def test_networks_are_listed_loaded_and_unloaded(client, served, image, tmp_path):
    other = make_bundle(digits_vgg("int8"), tmp_path / "numbers", name="numbers", cuts=(4,))
    served.upload(other)

    def states(name: str) -> list[str]:
        index = client.get_model_repository_index(headers=now())
        return [entry["state"] for entry in index if entry["name"] == name]

    assert (states("digits"), states("numbers")) == (["READY"], ["READY"])

    client.unload_model("numbers", headers=now())
    assert states("numbers") == ["UNAVAILABLE"]
    assert not client.is_model_ready("numbers", headers=now())
    with refused(404, "unloaded"):
        client.infer("numbers", [given("b0", image)], headers=now())

    client.load_model("numbers", headers=now())
    assert states("numbers") == ["READY"]
