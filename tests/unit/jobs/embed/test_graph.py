"""The graph that is built from weights, at the size of a toy, against the same sums in NumPy."""

import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from jobs.embed import build as building
from jobs.embed.engine import NoEngine, open_engine
from jobs.embed.graph import Shape, build
from jobs.embed.job import text_of

SHAPE = Shape(layers=2, hidden_size=8, num_attention_heads=2, layer_norm_eps=1e-12)
WORDS, PLACES, WIDE = 11, 6, 16
Weights = dict[str, np.ndarray]


@pytest.fixture
def weights() -> Weights:
    dice = np.random.default_rng(3)
    size = SHAPE.hidden_size

    def random(*shape: int) -> np.ndarray:
        return dice.normal(0, 0.5, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": random(WORDS, size),
        "embeddings.position_embeddings.weight": random(PLACES, size),
        "embeddings.token_type_embeddings.weight": random(2, size),
        "embeddings.LayerNorm.weight": random(size),
        "embeddings.LayerNorm.bias": random(size),
    }
    for layer in range(SHAPE.layers):
        for name, rows, columns in (
            ("attention.self.query", size, size),
            ("attention.self.key", size, size),
            ("attention.self.value", size, size),
            ("attention.output.dense", size, size),
            ("intermediate.dense", WIDE, size),
            ("output.dense", size, WIDE),
        ):
            found[f"encoder.layer.{layer}.{name}.weight"] = random(rows, columns)
            found[f"encoder.layer.{layer}.{name}.bias"] = random(rows)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"encoder.layer.{layer}.{name}.weight"] = random(size)
            found[f"encoder.layer.{layer}.{name}.bias"] = random(size)
    return found


def by_hand(weights: Weights, ids: list[int]) -> np.ndarray:
    """BERT for one sentence without padding, as its paper says it, in plain NumPy."""

    def affine(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        even = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return even * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    hidden = norm(
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "embeddings.LayerNorm",
    )
    for layer in range(SHAPE.layers):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            np.split(affine(hidden, f"{name}.attention.self.{part}"), 2, axis=1)
            for part in ("query", "key", "value")
        )
        heads = []
        for head in range(2):
            scores = query[head] @ key[head].T / math.sqrt(4)
            chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            heads.append(chances @ value[head])
        mixed = affine(np.concatenate(heads, axis=1), f"{name}.attention.output.dense")
        hidden = norm(hidden + mixed, f"{name}.attention.output.LayerNorm")
        wide = affine(hidden, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        hidden = norm(hidden + affine(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean = hidden.mean(0)
    return mean / np.linalg.norm(mean)


def run(weights: Weights, ids: list[list[int]], mask: list[list[int]]) -> np.ndarray:
    session = onnxruntime.InferenceSession(build(weights, SHAPE).SerializeToString())
    given = {"ids": np.array(ids, np.int64), "mask": np.array(mask, np.int64)}
    (vectors,) = session.run(None, given)
    return np.asarray(vectors)


def test_the_graph_computes_what_the_paper_says(weights: Weights) -> None:
    ids = [3, 1, 4, 1, 5]
    assert np.allclose(run(weights, [ids], [[1] * 5])[0], by_hand(weights, ids), atol=1e-4)


def test_padding_changes_nothing(weights: Weights) -> None:
    vectors = run(weights, [[3, 1, 9, 9], [2, 7, 1, 8]], [[1, 1, 0, 0], [1, 1, 1, 1]])
    assert np.allclose(vectors[0], by_hand(weights, [3, 1]), atol=1e-4)
    assert np.allclose(vectors[1], by_hand(weights, [2, 7, 1, 8]), atol=1e-4)


def test_a_graph_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = building.built_graph(tmp_path)
    monkeypatch.setattr(building, "build", None)
    assert building.built_graph(tmp_path) == path
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("title", "body", "text"),
    [
        ("Rain", "It rained.", "Rain\nIt rained."),
        (None, " It rained. ", "It rained."),
        ("Rain", "", "Rain"),
        (None, "", ""),
        ("Rain", "x" * 9000, "Rain\n" + "x" * 1995),
    ],
)
def test_what_is_embedded_of_an_item(title: str | None, body: str, text: str) -> None:
    assert text_of(title, body) == text


def test_an_engine_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "jobs.embed.torch_engine", raising=False)
    with pytest.raises(NoEngine, match="needs torch: install the extra `reference`"):
        open_engine("torch", tmp_path)
