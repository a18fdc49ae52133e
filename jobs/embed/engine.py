"""What computes embeddings: the port, and the choice between its two engines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from server.items import EMBEDDING_MODEL

# The name under which vectors are stored; both engines make the same vectors.
MODEL = EMBEDDING_MODEL
DIMENSIONS = 384
# What the model was trained on; the tokenizer's own file says 128 and pads everything to it.
LONGEST_TOKENS = 256
# Larger batches cost more: more padding, and the activations leave the cache.
BATCH = 16

Vectors = NDArray[np.float32]


class Engine(Protocol):
    """Turns texts into vectors of length one."""

    @property
    def model(self) -> str:
        """The model's name; vectors of two models are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Give one vector for each text, in their order."""
        ...


class NoEngine(RuntimeError):
    """The engine that was chosen is not installed."""


def open_engine(kind: Literal["onnx", "torch"], models: Path) -> Engine:
    """Load an engine; `models` is the folder in which built graphs are kept.

    Raises:
        NoEngine: what it needs is not installed; the sentence says what.

    """
    # Each engine is loaded only where it is chosen: one needs torch, which may not be installed.
    if kind == "torch":
        try:
            from jobs.embed.torch_engine import TorchEngine  # noqa: PLC0415 - optional extra
        except ModuleNotFoundError as error:
            raise NoEngine(
                f"EMBEDDING_ENGINE=torch needs {error.name}: install the extra `reference`."
            ) from error
        return TorchEngine()
    from jobs.embed.onnx_engine import OnnxEngine  # noqa: PLC0415 - loads a runtime of 40 MB

    return OnnxEngine(models)
