"""The model as an ONNX graph, built straight from its weights: BERT, mean pooling, length one.

Nothing is traced and no torch is needed. Token types are all zero for single sentences, so their
one row is added to the positions when the graph is built.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]

OPSET = 20  # the first with Gelu as one operator
_IR_VERSION = 9
# A score that no real one reaches, yet finite: a row of nothing but padding must not become NaN.
_MASKED = -1e9


class Shape(Struct, frozen=True, rename={"layers": "num_hidden_layers"}):
    """What of the model's config.json decides the graph."""

    layers: int
    hidden_size: int
    num_attention_heads: int
    layer_norm_eps: float


class _Drawing:
    """Nodes and constants as they are added; each method gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, array: NDArray[np.generic]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def add(self, operator: str, *inputs: str, **attributes: float | Sequence[int]) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, inputs, [name], name, None, None, None, **attributes)
        )
        return name


class _Bert:
    """Draws the parts of the network."""

    def __init__(self, weights: Weights, shape: Shape) -> None:
        self._weights = weights
        self._shape = shape
        self.drawing = _Drawing()

    def embed(self, ids: str) -> str:
        drawing, weights = self.drawing, self._weights
        words = drawing.constant(weights["embeddings.word_embeddings.weight"])
        places = drawing.constant(
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        length = drawing.add("Shape", ids, start=1, end=2)
        upto = drawing.add("Slice", places, drawing.integers(0), length, drawing.integers(0))
        summed = drawing.add("Add", drawing.add("Gather", words, ids), upto)
        return self._norm(summed, "embeddings.LayerNorm")

    def layer(self, index: int, hidden: str, hidden_mask: str) -> str:
        name, add = f"encoder.layer.{index}", self.drawing.add
        mixed = self._attend(hidden, hidden_mask, f"{name}.attention.self")
        mixed = self._dense(mixed, f"{name}.attention.output.dense")
        hidden = self._norm(add("Add", mixed, hidden), f"{name}.attention.output.LayerNorm")
        wide = add("Gelu", self._dense(hidden, f"{name}.intermediate.dense"))
        narrow = self._dense(wide, f"{name}.output.dense")
        return self._norm(add("Add", narrow, hidden), f"{name}.output.LayerNorm")

    def mask_scores(self, mask: str) -> str:
        """Give what is added to the scores: nothing for words, very little for padding."""
        drawing = self.drawing
        row = drawing.add("Unsqueeze", mask, drawing.integers(1, 2))
        absent = drawing.add("Sub", drawing.scalar(1.0), row)
        return drawing.add("Mul", absent, drawing.scalar(_MASKED))

    def pool(self, hidden: str, mask: str) -> str:
        drawing = self.drawing
        column = drawing.add("Unsqueeze", mask, drawing.integers(2))
        kept = drawing.add("Mul", hidden, column)
        total = drawing.add("ReduceSum", kept, drawing.integers(1), keepdims=0)
        count = drawing.add("ReduceSum", column, drawing.integers(1), keepdims=0)
        mean = drawing.add("Div", total, count)
        return drawing.add("LpNormalization", mean, axis=1, p=2)

    def _attend(self, hidden: str, hidden_mask: str, name: str) -> str:
        drawing, heads = self.drawing, self._shape.num_attention_heads
        width = self._shape.hidden_size // heads
        # One product for the three projections; the scale of the scores goes into the query's.
        scale = np.float32(1 / np.sqrt(width))
        pairs = [self._pair(f"{name}.{part}") for part in ("query", "key", "value")]
        pairs[0] = (pairs[0][0] * scale, pairs[0][1] * scale)
        projected = self._affine(
            hidden,
            np.concatenate([weight for weight, _ in pairs]),
            np.concatenate([bias for _, bias in pairs]),
        )
        split = drawing.add("Reshape", projected, drawing.integers(0, 0, 3, heads, width))
        query, key, value = (
            drawing.add("Gather", split, drawing.constant(np.array(i, np.int64)), axis=2)
            for i in range(3)
        )
        scores = drawing.add(
            "MatMul",
            drawing.add("Transpose", query, perm=(0, 2, 1, 3)),
            drawing.add("Transpose", key, perm=(0, 2, 3, 1)),
        )
        chances = drawing.add("Softmax", drawing.add("Add", scores, hidden_mask), axis=-1)
        mixed = drawing.add("MatMul", chances, drawing.add("Transpose", value, perm=(0, 2, 1, 3)))
        back = drawing.add("Transpose", mixed, perm=(0, 2, 1, 3))
        return drawing.add("Reshape", back, drawing.integers(0, 0, self._shape.hidden_size))

    def _dense(self, hidden: str, name: str) -> str:
        return self._affine(hidden, *self._pair(name))

    def _affine(self, hidden: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        product = self.drawing.add("MatMul", hidden, self.drawing.constant(weight.T))
        return self.drawing.add("Add", product, self.drawing.constant(bias))

    def _norm(self, hidden: str, name: str) -> str:
        weight, bias = (self.drawing.constant(array) for array in self._pair(name))
        epsilon = self._shape.layer_norm_eps
        return self.drawing.add("LayerNormalization", hidden, weight, bias, epsilon=epsilon)

    def _pair(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]


def build(weights: Weights, shape: Shape) -> ModelProto:
    """Draw the whole model: token ids and their mask in, one vector of length one each out."""
    bert = _Bert(weights, shape)
    drawing = bert.drawing
    mask = drawing.add("Cast", "mask", to=TensorProto.FLOAT)
    hidden_mask = bert.mask_scores(mask)
    hidden = bert.embed("ids")
    for index in range(shape.layers):
        hidden = bert.layer(index, hidden, hidden_mask)
    result = drawing.add("Identity", bert.pool(hidden, mask))
    graph = helper.make_graph(
        drawing.nodes,
        "sentence-embedding",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("ids", "mask")
        ],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["texts", shape.hidden_size])],
        drawing.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION
    )
    checker.check_model(model)
    return model
