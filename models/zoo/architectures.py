"""The published networks that `dynasplit convert` knows: how each is built, and what its input looks like.

The input is always RGB, pixels 0-255. Where the published weights want it scaled by one factor and one offset, the card says so;
where they want BGR and a mean per channel (VGG16, ResNet50), that is in the network: the first kernel's channels are
turned round, and one SUB operator takes the mean off. The mean cannot go into a bias, since the padding comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.manifest import Scaling
from models.zoo.vision_transformer import VIT_B16, VisionTransformer, build
from protocol.errors import InvalidInput
from protocol.tensors import Array

MEAN_RGB = (123.68, 116.779, 103.939)
"""Of ImageNet, as VGG and ResNet were trained (keras.applications.imagenet_utils, mode "caffe")."""
STANDARD_DEVIATION_RGB = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in 0-1, as EfficientNet was trained."""
LOGIT_SPREAD = 3.0
SIDE = 224
CLASSES = 1000


@dataclass(frozen=True)
class Architecture:
    """One network. `keras_name` is its builder in `keras.applications`, '' for the transformer, which is built here.

    `first_kernel` names the convolution whose channels are turned round; '' where the weights take RGB.
    """

    name: str
    keras_name: str
    scaling: Scaling = field(default_factory=Scaling)
    first_kernel: str = ""


_PLUS_MINUS_1 = Scaling(scale=1 / 127.5, offset=-1.0)

ARCHITECTURES: Mapping[str, Architecture] = {
    known.name: known
    for known in (
        Architecture("vgg16", "VGG16", first_kernel="block1_conv1"),
        Architecture("resnet50", "ResNet50", first_kernel="conv1_conv"),
        Architecture("mobilenetv2", "MobileNetV2", _PLUS_MINUS_1),
        Architecture("efficientnetb0", "EfficientNetB0"),
        Architecture("vit-b16", "", _PLUS_MINUS_1),
    )
}


def architecture(name: str) -> Architecture:
    """InvalidInput, with all names, where there is none of this name."""
    if name not in ARCHITECTURES:
        raise InvalidInput(
            f"there is no network {name!r:.60}: give {', '.join(ARCHITECTURES)}, or a .keras or .h5 file of your own"
        )
    return ARCHITECTURES[name]


def plain_model(chosen: Architecture, *, side: int = SIDE, weights: str | None = None) -> Any:
    """The model of `keras.applications` as it is published, batch unknown; `weights` as that package takes them."""
    import keras

    builder = getattr(keras.applications, chosen.keras_name)
    return builder(weights=weights, input_shape=(side, side, 3), classes=CLASSES)


def rgb_model(chosen: Architecture, *, side: int = SIDE, transformer: VisionTransformer = VIT_B16) -> Any:
    """A `keras.Model` with fresh weights that takes RGB, float32 [1, side, side, 3], scaled as the architecture says."""
    import keras

    if not chosen.keras_name:
        return build(transformer, name=chosen.name)
    image = keras.Input((side, side, 3), batch_size=1, name="image")
    builder = getattr(keras.applications, chosen.keras_name)
    source = _mean_taken_off(image) if chosen.first_kernel else image
    return builder(weights=None, input_tensor=source, input_shape=(side, side, 3), classes=CLASSES)


def take_weights(chosen: Architecture, model: Any, plain: Any) -> None:
    """Gives `model` (RGB) the weights of `plain`, which takes its input as published."""
    model.set_weights(plain.get_weights())
    if chosen.first_kernel:
        kernel = model.get_layer(chosen.first_kernel).kernel
        kernel.assign(_values(kernel)[:, :, ::-1])
    if chosen.keras_name.startswith("EfficientNet"):
        _mend_normalisation(normalisation_of(model))


def normalisation_of(model: Any) -> Any:
    """The layer of EfficientNet that takes mean and variance off; Keras numbers its name through the process."""
    import keras

    return next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))


def calm(model: Any, pixels: Array, scaling: Scaling) -> None:
    """Makes a network of random weights behave like a trained one on these pixels, uint8 [1, side, side, 3].

    Batch normalisation takes their means and variances, without which activations die away or explode, and int8 has nothing to
    resolve. The last layer is scaled so that its logits have a standard deviation of 3: a saturated softmax would hide
    every difference, and so would, in int8, one whose thousand shares are all below 1/256.
    """
    import keras

    seen = pixels.astype(np.float32) * np.float32(scaling.scale) + np.float32(scaling.offset)
    _settle(model, seen)
    last = model.get_layer("predictions")
    features = keras.Model(model.inputs[0], last.input)
    kernel = _values(last.kernel)
    spread = np.std(_values(features(seen, training=False)) @ kernel)
    if np.isfinite(spread) and spread > 0:
        last.kernel.assign(kernel * (LOGIT_SPREAD / spread))


def _settle(model: Any, seen: Array) -> None:
    """One step of training without learning, in which what is seen replaces the running means and variances."""
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    usual = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model([seen], training=True)
    for layer, momentum in zip(norms, usual, strict=True):
        layer.momentum = momentum


def _values(tensor: Any) -> Array:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _mean_taken_off(image: Any) -> Any:
    import keras

    class MeanOff(keras.layers.Layer):  # type: ignore[misc]
        """x - mean, per channel."""

        def call(self, x: Any) -> Any:
            return x - keras.ops.convert_to_tensor(MEAN_RGB, dtype=x.dtype)

    return MeanOff(name="mean_off")(image)


def _mend_normalisation(layer: Any) -> None:
    """The published EfficientNet weights hold standard deviations where the layer expects variances.

    `keras.applications` adds another layer for them, which a model without its own weights lacks; to square them is the same.
    """
    deviations = _values(layer.adapt_variance)
    if np.allclose(deviations, STANDARD_DEVIATION_RGB, atol=1e-6):
        layer.adapt_variance.assign(deviations * deviations)
    # The layer computes with copies, which setting its weights leaves as they were.
    layer.finalize_state()
