"""What every embedding engine promises; the reference engine says what the vectors are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.embed.engine import BATCH, DIMENSIONS, MODEL, Engine, open_engine

TEXTS = [
    "The weir came down in spring.",
    "In spring the weir was taken down.",
    "Seventeen-year-old breaks the national record in the rain",
    "",
    "Short",
    "Ζωή, жизнь, 命, حياة, café \N{PERSON WITH FOLDED HANDS}",
    "\x00 control \u200b and [SEP] [MASK] tokens",
    "word " * 1000,
    *(f"Sentence number {n} says something about item {n * n}." for n in range(2 * BATCH)),
]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(
    scope="session",
    params=["onnx", pytest.param("torch", marks=pytest.mark.reference)],
)
def engine(request: pytest.FixtureRequest, models: Path) -> Engine:
    if request.param == "torch":
        pytest.importorskip("sentence_transformers", exc_type=ImportError)
    chosen: Any = request.param
    return open_engine(chosen, models)


def test_it_says_what_it_is(engine: Engine) -> None:
    assert (engine.model, engine.dimensions) == (MODEL, DIMENSIONS)


def test_one_vector_of_length_one_for_each_text(engine: Engine) -> None:
    vectors = engine.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_no_vectors(engine: Engine) -> None:
    assert engine.embed([]).shape == (0, DIMENSIONS)


def test_a_vector_does_not_depend_on_its_company(engine: Engine) -> None:
    together = engine.embed(TEXTS)
    alone = np.concatenate([engine.embed([text]) for text in TEXTS[:8]])
    assert np.allclose(together[:8], alone, atol=1e-5)


def test_what_means_alike_is_near(engine: Engine) -> None:
    weir, again, record = engine.embed(TEXTS[:3])
    assert weir @ again > weir @ record + 0.5


def test_beyond_the_longest_text_nothing_counts(engine: Engine) -> None:
    long, longer = engine.embed(["word " * 300, "word " * 300 + "and an end"])
    assert long @ longer > 0.9999


@pytest.mark.reference
def test_the_default_engine_agrees_with_the_reference(models: Path) -> None:
    pytest.importorskip("sentence_transformers", exc_type=ImportError)
    ours = open_engine("onnx", models).embed(TEXTS)
    reference = open_engine("torch", models).embed(TEXTS)
    assert ((ours * reference).sum(axis=1) > 0.999).all()
