"""What the backend says of itself and its networks, in the words of the Open Inference Protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.cutting.plain import make_bundle
from models.zoo import digits_vgg


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another bundle of the digits network."""
    return make_bundle(digits_vgg(), tmp_path_factory.mktemp("other") / "digits", name="digits", cuts=(7,))


def states(backend) -> list[tuple[str, str]]:
    return [(entry["version"], entry["state"]) for entry in backend.call("POST", "/v2/repository/index").get_json()]


def test_the_server_tells_its_name_and_extensions(backend):
    content = backend.call("GET", "/v2").get_json()

    assert content["name"] == "dynasplit-backend"
    assert "binary_tensor_data" in content["extensions"]


def test_metadata_describe_what_infer_takes_and_gives(stocked, digits, image):
    content = stocked.call("GET", "/v2/models/digits").get_json()

    (taken,), (given,) = content["inputs"], content["outputs"]
    assert (taken["name"], taken["datatype"], taken["shape"]) == ("b0", "FP32", list(image.shape))
    assert given["name"] == digits.manifest.outputs[0].name
    assert content["versions"] == ["1"]
    assert content["parameters"]["bundle"] == digits.digest
    assert stocked.call("GET", "/v2/models/digits/versions/1").get_json() == content


def test_config_names_types_as_triton_does(stocked):
    content = stocked.call("GET", "/v2/models/digits/config").get_json()

    assert content["input"][0]["data_type"] == "TYPE_FP32"
    assert content["parameters"]["cuts"]["string_value"] == "0,4,10,18"


@pytest.mark.parametrize("what", ["", "/ready", "/config", "/stats", "/versions/1", "/versions/1/ready"])
def test_an_unknown_network_is_404(backend, what):
    response = backend.call("GET", f"/v2/models/faces{what}")

    assert response.status_code == 404
    assert "faces" in response.get_json()["error"]


def test_statistics_count_good_and_bad_requests(stocked, whole_request):
    stocked.infer(whole_request)
    stocked.infer(whole_request)
    stocked.infer(replace(whole_request, parameters={"cut": 3}))

    (stats,) = stocked.call("GET", "/v2/models/digits/stats").get_json()["model_stats"]

    assert (stats["name"], stats["version"], stats["inference_count"]) == ("digits", "1", 2)
    assert stats["inference_stats"]["success"]["count"] == 2
    assert stats["inference_stats"]["success"]["ns"] > 0
    assert stats["inference_stats"]["fail"]["count"] == 1
    assert stocked.call("GET", "/v2/models/stats").get_json()["model_stats"] == [stats]


def test_the_newest_version_serves_until_it_is_unloaded(stocked, other, whole_request, digits, reply_of):
    stocked.upload(other)
    assert reply_of(stocked.infer(whole_request)).model_version == "2"

    path = "/v2/repository/models/digits/unload"
    assert stocked.call("POST", path, json={"parameters": {"bundle": other.digest}}).status_code == 200

    assert reply_of(stocked.infer(whole_request)).parameters["bundle"] == digits.digest
    assert states(stocked) == [("1", "READY"), ("2", "UNAVAILABLE")]
    ready = stocked.call("POST", "/v2/repository/index", json={"ready": True}).get_json()
    assert [entry["version"] for entry in ready] == ["1"]


def test_an_unloaded_network_is_404_until_it_is_loaded(stocked, whole_request):
    assert stocked.call("POST", "/v2/repository/models/digits/unload").status_code == 200
    assert stocked.infer(whole_request).status_code == 404
    assert stocked.call("GET", "/v2/models/digits/ready").status_code == 404

    assert stocked.call("POST", "/v2/repository/models/digits/load").status_code == 200

    assert stocked.infer(whole_request).status_code == 200
    assert stocked.call("GET", "/v2/models/digits/ready").status_code == 200


def test_loading_names_a_bundle_of_the_network(stocked, digits):
    def load(network: str, digest: str) -> int:
        body = {"parameters": {"bundle": digest}}
        return stocked.call("POST", f"/v2/repository/models/{network}/load", json=body).status_code

    assert load("digits", digits.digest) == 200
    assert load("digits", "f" * 64) == 409
    assert load("faces", digits.digest) == 404


def test_loading_what_the_disk_damaged_is_503(stocked, settings, digits):
    (artifact,) = digits.manifest.artifacts
    (settings.data_dir / "bundles" / digits.digest / artifact.filename).write_bytes(b"damaged")

    response = stocked.call("POST", "/v2/repository/models/digits/load")

    assert response.status_code == 503
    assert "damaged" in response.get_json()["error"]


def test_a_network_that_another_process_unloaded_leaves_the_memory_of_this_one(stocked, make_backend, whole_request):
    beside = make_backend(store=stocked.store)
    services = beside.app.extensions["dynasplit"]
    assert beside.infer(whole_request).status_code == 200
    assert services.tails.opened

    stocked.call("POST", "/v2/repository/models/digits/unload")
    services.catalogue.forget()

    assert beside.infer(whole_request).status_code == 404
    assert services.tails.opened == ()
