"""The reference engine: sentence-transformers on torch, an optional extra."""

import os
from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer

from jobs.embed.build import weights_folder
from jobs.embed.engine import BATCH, DIMENSIONS, MODEL, Vectors


class TorchEngine:
    """Runs the model as its authors publish it."""

    model = MODEL
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        # The weights come from a package: nothing is asked of a model hub.
        os.environ["HF_HUB_OFFLINE"] = "1"
        # Two OpenMP threads on two busy cores spin against each other, at a fifth of the speed.
        torch.set_num_threads(1)
        self._model = SentenceTransformer(str(weights_folder()), device="cpu")

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Give one vector for each text, in their order."""
        vectors: Vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.reshape(len(texts), DIMENSIONS)
