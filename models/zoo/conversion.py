"""From a Keras model to a `.tflite` file, by TensorFlow's converter.

`TFLiteConverter.from_keras_model` is used; the way over a SavedModel that Keras 3 exports silently drops the weights.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.running.native_log import native_messages
from protocol.errors import InvalidInput, ServiceMissing
from protocol.tensors import Array

MISSING = "TensorFlow is not installed; get it by: make install-convert (or: pip install '.[convert]')"


def require_tensorflow() -> str:
    """The version of TensorFlow; ServiceMissing, with the way to get it, where there is none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silence():
            import keras
            import tensorflow
    except ImportError as error:
        raise ServiceMissing(MISSING) from error
    if keras.backend.backend() != "tensorflow":
        raise InvalidInput(f"Keras runs on {keras.backend.backend()} here; unset KERAS_BACKEND or set it to tensorflow")
    return str(tensorflow.__version__)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps what Keras and the converter print off stdout and stderr, and their warnings: none is for who converts."""
    with contextlib.redirect_stdout(io.StringIO()), native_messages(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def to_tflite(model: Any, calibration: Array | None = None) -> bytes:
    """The flatbuffer of a `keras.Model` whose inputs have a batch of 1.

    With calibration inputs, float32 [N, …] as the model takes them, weights and activations are int8 throughout and the ends stay
    float32. InvalidInput, in one line, where the converter refuses.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        with silence():
            return bytes(converter.convert())
    # The converter raises a class of its own module, RuntimeError or ValueError, as it comes.
    except Exception as error:
        raise InvalidInput(f"{model.name} cannot be converted: {_reason(error)}") from error


def own_model(path: Path) -> Any:
    """The model in a `.keras` or `.h5` file with a batch of 1; InvalidInput where it is none, or takes more than one input."""
    import keras

    if not path.is_file():
        raise InvalidInput(f"{path} cannot be read: there is no such file")
    try:
        with silence():
            model = keras.models.load_model(path, compile=False)
    # Keras lets through whatever its file formats, layers and user classes raise.
    except Exception as error:
        raise InvalidInput(f"{path} is no Keras model that can be loaded: {first_line(error)}") from error
    return _with_batch_1(model, path)


def first_line(error: BaseException) -> str:
    """An error's first line that says something, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def _with_batch_1(model: Any, path: Path) -> Any:
    import keras

    shapes = [tuple(one.shape) for one in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1:
        raise InvalidInput(f"{path} has {len(shapes)} inputs; networks of one input can be converted")
    if any(side is None for side in shapes[0][1:]) or shapes[0][0] not in (None, 1):
        raise InvalidInput(f"{path} takes {list(shapes[0])}; all sides but the batch must be fixed, and the batch be 1")
    if shapes[0][0] == 1:
        return model
    source = keras.Input(shapes[0][1:], batch_size=1, dtype=model.inputs[0].dtype, name=model.inputs[0].name)
    return keras.Model(source, model(source, training=False), name=model.name)


def _reason(error: BaseException) -> str:
    """The operators that TFLite lacks where the converter names them, else its first line."""
    lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", str(error))))
    if lacking:
        return f"TFLite has no operator for {', '.join(lacking)}"[:300]
    return first_line(error)
