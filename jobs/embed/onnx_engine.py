"""The engine that workers use: ONNX Runtime in fp32, without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from jobs.embed.build import built_graph, weights_folder
from jobs.embed.engine import BATCH, DIMENSIONS, LONGEST_TOKENS, MODEL, Vectors


class OnnxEngine:
    """Runs the graph on one thread; workers are what is many."""

    model = MODEL
    dimensions = DIMENSIONS

    def __init__(self, models: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        # Padding is done here, for each batch by its longest text.
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Batches differ in size: an arena would keep the memory of the largest one for ever.
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            str(built_graph(models)), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Give one vector for each text, in their order."""
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        # Texts of like length go together, so that little of a batch is padding.
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            vectors[chosen] = self._run([encoded[i] for i in chosen])
        return vectors

    def _run(self, batch: Sequence[Encoding]) -> Vectors:
        longest = max(len(encoding.ids) for encoding in batch)
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, encoding in enumerate(batch):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        (vectors,) = self._session.run(None, {"ids": ids, "mask": mask})
        result: Vectors = vectors
        return result
