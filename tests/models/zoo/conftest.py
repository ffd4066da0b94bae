"""What the tests of converted networks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.zoo.conversion import require_tensorflow
from protocol.errors import ServiceMissing
from protocol.tensors import Array

Answer = Callable[[bytes, Array], Array]


@pytest.fixture(scope="session")
def keras():
    """Keras on TensorFlow."""
    try:
        require_tensorflow()
    except ServiceMissing as error:
        pytest.skip(str(error))
    import keras

    return keras


@pytest.fixture(scope="session")
def answer() -> Answer:
    """The first output of a flatbuffer for one input."""
    from ai_edge_litert.interpreter import Interpreter

    def run(network: bytes, value: Array) -> Array:
        interpreter = Interpreter(model_content=network)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return run
