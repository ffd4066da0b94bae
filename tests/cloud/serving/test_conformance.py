"""An unmodified client of the protocol, `tritonclient[http]`, against the backend under gunicorn: all that it can ask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
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
    return {"Authorization": "Bearer secret"}


def refused(status: int, words: str):
    return pytest.raises(InferenceServerException, match=rf"(?s)\[{status}\].*{words}")


def test_the_server_is_live_and_ready_and_says_what_it_is(client):
    assert client.is_server_live()
    assert client.is_server_ready()

    metadata = client.get_server_metadata(headers=now())

    assert metadata["name"] == "dynasplit-backend"
    assert "binary_tensor_data" in metadata["extensions"]


def test_a_model_is_described(client, digits, image):
    metadata = client.get_model_metadata("digits", headers=now())
    config = client.get_model_config("digits", headers=now())

    assert client.is_model_ready("digits", headers=now())
    assert client.is_model_ready("digits", "1", headers=now())
    assert not client.is_model_ready("faces", headers=now())
    assert not client.is_model_ready("digits", "9", headers=now())
    assert metadata["versions"] == ["1"]
    (taken,), (given_back,) = metadata["inputs"], metadata["outputs"]
    assert (taken["datatype"], taken["shape"]) == ("FP32", list(image.shape))
    assert config["output"][0]["name"] == given_back["name"]
    assert metadata == client.get_model_metadata("digits", "1", headers=now())
    assert metadata["parameters"]["bundle"] == digits.digest


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("outputs", ["all", "binary", "json"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary input", "JSON input"])
def test_the_whole_network_answers_bit_by_bit(client, image, whole, compression, outputs, binary):
    name, values = whole
    asked = None if outputs == "all" else [InferRequestedOutput(name, binary_data=outputs == "binary")]

    result = client.infer(
        "digits",
        [given("b0", image, binary=binary)],
        outputs=asked,
        request_id="seven",
        headers=now(),
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )

    assert result.as_numpy(name).tobytes() == values.tobytes()
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("digits", "1", "seven")
    assert ("data" in response["outputs"][0]) == (outputs == "json")


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


def test_requests_may_overlap(client, image, whole):
    name, values = whole

    pending = [client.async_infer("digits", [given("b0", image)], headers=now()) for _ in range(16)]

    assert [each.get_result().as_numpy(name).tobytes() for each in pending] == [values.tobytes()] * 16


@pytest.mark.parametrize(
    ("network", "name", "change", "status", "words"),
    [
        ("faces", "b0", lambda image: image, 404, "faces"),
        ("digits", "b7", lambda image: image, 400, "b0"),
        ("digits", "b0", lambda image: image[:, :5], 400, r"shape \[1, 64, 64, 1\]"),
        ("digits", "b0", lambda image: image.astype(np.float64), 400, "must be FP32"),
        ("digits", "b0", lambda image: image.astype(np.object_), 400, "BYTES"),
    ],
    ids=["network", "name", "shape", "dtype", "text"],
)
def test_what_does_not_fit_is_told(client, image, network, name, change, status, words):
    with refused(status, words):
        client.infer(network, [given(name, change(image))], headers=now())


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"outputs": [InferRequestedOutput("nonsense")]}, 404, "nonsense"),
        ({"outputs": [InferRequestedOutput("nonsense", class_count=3)]}, 400, "classification"),
        ({"model_version": "9"}, 404, "no version '9'"),
        ({"parameters": {"cut": 5}}, 404, "0, 4, 10, 18"),
        ({"parameters": {"bundle": "f" * 64}}, 404, "ffff"),
        ({"headers": {}}, 401, "token"),
        ({"headers": {"Authorization": "Bearer wrong"}}, 401, "token"),
    ],
    ids=["output", "classes", "version", "cut", "bundle", "no token", "wrong token"],
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
    with refused(404, "faces"):
        client.load_model("faces", headers=now())
    with refused(404, "faces"):
        client.unload_model("faces", headers=now())
    with refused(400, "config"):
        client.load_model("numbers", config="{}", headers=now())
