"""Embeddings as PostgreSQL takes and gives them: half-precision floats, text in and binary out."""

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

# pgvector's binary form: the dimensions, two bytes unused, then big-endian half floats.
_HEAD = struct.Struct(">HH")


def written(vector: Iterable[float]) -> str:
    """Write a vector as the literal that casts to `halfvec`."""
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


def unpack(packed: bytes) -> NDArray[np.float32]:
    """Read a vector that `halfvec_send` made."""
    dimensions, _ = _HEAD.unpack_from(packed)
    return np.frombuffer(packed, ">f2", count=dimensions, offset=_HEAD.size).astype(np.float32)


def cosines(packed: Sequence[bytes]) -> NDArray[np.float32]:
    """Give the cosine of every pair of vectors."""
    if not packed:
        return np.zeros((0, 0), np.float32)
    rows = np.stack([unpack(each) for each in packed])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    # Not by `@`: for matrices of this size BLAS wakes its threads, which on a busy machine costs
    # a hundred times what they compute.
    pairs: NDArray[np.float32] = np.einsum("ik,jk->ij", rows, rows)
    return pairs
