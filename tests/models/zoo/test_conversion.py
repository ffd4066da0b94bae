"""Keras models as flatbuffers: the weights arrive, the input is what the card says, bad files are one line."""

from __future__ import annotations

import numpy as np
import pytest

from models.accuracy.samples import scaled
from models.zoo.architectures import architecture, normalisation_of, plain_model, rgb_model, take_weights
from models.zoo.conversion import own_model, to_tflite
from models.zoo.noise import noise_images
from models.zoo.weighted import weighted
from protocol.errors import InvalidInput, ServiceMissing

pytestmark = [
    pytest.mark.convert,
    # Keras turns its variables into arrays in a way that numpy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

SIDE = 64
PREPROCESSING = {
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet",
}


def values(tensor):
    return tensor.numpy()


def seeded(keras, model):
    """Every weight from its own shape alone, running means and variances too, so that nothing stays at its start."""
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.02, 0.06, array.shape).astype(array.dtype) for array in model.get_weights()])
    return model


@pytest.mark.parametrize("name", PREPROCESSING)
def test_rgb_pixels_give_what_the_published_preprocessing_gives(keras, name):
    chosen, pixels = architecture(name), noise_images(1, SIDE, seed=5)
    plain = plain_model(chosen, side=SIDE)
    ours = rgb_model(chosen, side=SIDE)
    ours_features = keras.Model(ours.inputs[0], ours.get_layer("predictions").input)
    plain_features = keras.Model(plain.inputs[0], plain.get_layer("predictions").input)

    take_weights(chosen, ours, plain)

    published = getattr(keras.applications, PREPROCESSING[name]).preprocess_input(pixels.astype(np.float32))
    wanted, found = values(plain_features(published)), values(ours_features(scaled(pixels, chosen.scaling)))
    assert np.ptp(wanted) > 0
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-4 * float(np.abs(wanted).max()))


def test_published_efficientnet_weights_are_normalised_by_the_deviation(keras):
    chosen, pixels = architecture("efficientnetb0"), noise_images(1, SIDE, seed=5).astype(np.float32)
    plain = plain_model(chosen, side=SIDE)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalisation_of(plain).adapt_mean.assign(mean)
    normalisation_of(plain).adapt_variance.assign(deviation)
    model = rgb_model(chosen, side=SIDE)

    take_weights(chosen, model, plain)

    normalised = keras.Model(model.inputs[0], normalisation_of(model).output)
    assert values(normalised(pixels)) == pytest.approx((pixels / 255 - mean) / deviation, abs=1e-4)


def test_the_weights_arrive_in_the_file_and_the_softmax_is_not_saturated(keras, answer):
    found = weighted(architecture("mobilenetv2"), "none", seed=1, side=SIDE)
    value = scaled(noise_images(1, SIDE, seed=6), architecture("mobilenetv2").scaling)

    network = to_tflite(found.model)

    given = answer(network, value)
    # Normalising by the statistics of 2 x 2 pixels magnifies what the order of additions differs by.
    assert given == pytest.approx(values(found.model([value])), abs=1e-3)
    assert 2 / 256 < given.max() < 0.95
    assert found.source == {"source": "random", "seed": 1}


def test_int8_stays_close_and_takes_and_gives_float32(keras, answer):
    inputs = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(x)))
    calibration = noise_images(20, 16, seed=1).astype(np.float32) / 255

    network = to_tflite(model, calibration)

    value = calibration[:1]
    assert len(network) < len(to_tflite(model))
    assert answer(network, value).dtype == np.float32
    assert answer(network, value) == pytest.approx(values(model(value)), abs=0.05)


def test_weights_of_a_file_are_those_of_the_model(keras, tmp_path):
    chosen, path = architecture("mobilenetv2"), tmp_path / "net.weights.h5"
    plain = seeded(keras, plain_model(chosen, side=SIDE))
    plain.save_weights(path)

    found = weighted(chosen, path, seed=0, side=SIDE)

    assert all(
        np.array_equal(one, other) for one, other in zip(plain.get_weights(), found.model.get_weights(), strict=True)
    )
    assert found.source["source"] == "net.weights.h5"
    assert len(found.source["sha256"]) == 64


def test_weights_of_another_network_are_refused(keras, tmp_path):
    path = tmp_path / "other.weights.h5"
    plain_model(architecture("mobilenetv2"), side=SIDE).save_weights(path)

    with pytest.raises(InvalidInput, match=r"other\.weights\.h5 are not those of efficientnetb0") as caught:
        weighted(architecture("efficientnetb0"), path, seed=0, side=SIDE)

    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_downloaded_say_where_they_are(keras, monkeypatch):
    genuine = keras.applications.MobileNetV2

    def offline(*, weights, **others):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://example.org/net.h5: None -- no route")
        return genuine(weights=weights, **others)

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)

    with pytest.raises(ServiceMissing, match=r"https://example\.org/net\.h5.*--weights FILE"):
        weighted(architecture("mobilenetv2"), "imagenet", seed=0, side=96)


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_refused(keras, content, tmp_path):
    path = tmp_path / "net.keras"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"net\.keras") as caught:
        own_model(path)

    assert "\n" not in str(caught.value)


def test_a_model_of_two_inputs_or_an_open_side_is_refused(keras, tmp_path):
    one, two = keras.Input((4,)), keras.Input((4,))
    keras.Model([one, two], keras.layers.Add()([one, two])).save(tmp_path / "two.keras")
    wide = keras.Input((None, 4))
    keras.Model(wide, keras.layers.Dense(2)(wide)).save(tmp_path / "open.keras")

    with pytest.raises(InvalidInput, match="has 2 inputs"):
        own_model(tmp_path / "two.keras")
    with pytest.raises(InvalidInput, match="all sides but the batch must be fixed"):
        own_model(tmp_path / "open.keras")


def test_an_operator_that_tflite_lacks_is_named_in_one_line(keras):
    inputs = keras.Input((4, 4), batch_size=1, name="matrix")
    model = keras.Model(inputs, keras.ops.linalg.cholesky(inputs))

    with pytest.raises(InvalidInput, match="Cholesky") as caught:
        to_tflite(model)

    assert "\n" not in str(caught.value)
