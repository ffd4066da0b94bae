"""The transformer in Keras against one in numpy, written from the paper, on the same checkpoint."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.network.graph import read_graph
from models.zoo.conversion import to_tflite
from models.zoo.vision_transformer import VisionTransformer, build
from models.zoo.vit_weights import assign, entries

pytestmark = [
    pytest.mark.convert,
    # Keras turns its variables into arrays in a way that numpy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

SMALL = VisionTransformer(side=12, patch=4, width=12, depth=2, heads=3, mlp=20, classes=5)
BLOCK = "Transformer/encoderblock_{}/"


@pytest.fixture(scope="module")
def checkpoint():
    random = np.random.default_rng(1)
    return {entry.key: random.normal(0, 0.5, entry.shape).astype(np.float32) for entry in entries(SMALL)}


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(2).uniform(-1, 1, (1, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model(keras, checkpoint):
    model = build(SMALL, name="small_vit")
    assign(model, checkpoint, SMALL)
    return model


def values(tensor):
    return tensor.numpy()


def in_numpy(w, image):
    """Dosovitskiy et al. (2021), equations 1 to 4, in double precision."""
    w = {key: array.astype(float) for key, array in w.items()}
    patches = [image[0, y : y + 4, x : x + 4] for y in range(0, 12, 4) for x in range(0, 12, 4)]
    tokens = [np.tensordot(patch, w["embedding/kernel"], 3) + w["embedding/bias"] for patch in patches]
    x = np.stack([w["cls"][0, 0], *tokens]) + w["Transformer/posembed_input/pos_embedding"][0]
    for number in range(SMALL.depth):
        x = x + attention(w, BLOCK.format(number), x)
        x = x + mlp(w, BLOCK.format(number), x)
    logits = norm(w, "Transformer/encoder_norm", x)[0] @ w["head/kernel"] + w["head/bias"]
    return softmax(logits)


def norm(w, key, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * w[f"{key}/scale"] + w[f"{key}/bias"]


def attention(w, block, x):
    y, key = norm(w, f"{block}LayerNorm_0", x), f"{block}MultiHeadDotProductAttention_1"
    q, k, v = (
        np.einsum("tw,whd->htd", y, w[f"{key}/{part}/kernel"]) + w[f"{key}/{part}/bias"][:, None]
        for part in ("query", "key", "value")
    )
    seen = softmax(np.einsum("htd,hsd->hts", q, k) / math.sqrt(SMALL.width // SMALL.heads))
    mixed = np.einsum("hts,hsd->htd", seen, v)
    return np.einsum("htd,hdw->tw", mixed, w[f"{key}/out/kernel"]) + w[f"{key}/out/bias"]


def mlp(w, block, x):
    y = norm(w, f"{block}LayerNorm_2", x)
    y = y @ w[f"{block}MlpBlock_3/Dense_0/kernel"] + w[f"{block}MlpBlock_3/Dense_0/bias"]
    y = 0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
    return y @ w[f"{block}MlpBlock_3/Dense_1/kernel"] + w[f"{block}MlpBlock_3/Dense_1/bias"]


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_a_checkpoint_gives_the_answers_of_the_paper(model, checkpoint, image):
    assert values(model(image))[0] == pytest.approx(in_numpy(checkpoint, image), abs=1e-5)


def test_the_converted_network_gives_them_too(model, checkpoint, image, answer):
    assert answer(to_tflite(model), image)[0] == pytest.approx(in_numpy(checkpoint, image), abs=1e-5)


def test_a_larger_batch_gives_each_image_its_own_answer(model, image):
    many = build(SMALL, name="small_vit", batch=None)
    many.set_weights(model.get_weights())

    found = values(many(np.concatenate([image, -image])))

    assert found[0] == pytest.approx(values(model(image))[0], abs=1e-6)
    assert found[1] == pytest.approx(values(model(-image))[0], abs=1e-6)


def test_it_converts_to_builtin_operators_and_one_tensor_crosses_between_blocks(model, tmp_path):
    (tmp_path / "vit.tflite").write_bytes(to_tflite(model))

    graph = read_graph(tmp_path / "vit.tflite")

    assert graph.obstacle == ""
    assert not any(operator.name.startswith("Flex") for operator in graph.operators)
    assert {"BATCH_MATMUL", "FULLY_CONNECTED", "SOFTMAX", "GELU"} <= {operator.name for operator in graph.operators}
    single = {graph.cut_name(cut) for cut in range(graph.operator_count) if len(graph.boundary(cut)) == 1}
    for layer in ("positions", "block1_attention_add", "block1_mlp_add", "block2_attention_add", "block2_mlp_add"):
        assert any(name.startswith(layer) for name in single)
