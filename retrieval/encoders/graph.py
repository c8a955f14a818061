"""all-MiniLM-L6-v2's safetensors to an ONNX graph: tokens in, one normalised vector a text out.

It knows the shape of this one model, and nothing of tokenizers or sessions. A text is encoded
alone, so there is no padding and no mask. Batches were tried: on a CPU they are no faster (padding
costs what sharing gains), and as integers a text's vector would depend on its neighbours (cosine
0.984 to itself), since the activations of a whole batch share one scale.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from retrieval.types import RetrievalError

Array: TypeAlias = NDArray[Any]
Tensors: TypeAlias = dict[str, NDArray[np.float32]]
Precision: TypeAlias = Literal["int8", "fp32"]

_OPSET = 20
_IR_VERSION = 10  # What the oldest onnxruntime that we accept can read.
_LAYERS, _HEADS, _SIZE = 6, 12, 384
_EPSILON = 1e-12
_LARGEST = 63
"""Weights take seven bits of an int8: with eight, products overflow on processors without VNNI,
and vectors would differ from machine to machine."""


def build(weights: Path, sha256: str, path: Path, precision: Precision) -> None:
    """Write the graph to `path`, whole or not at all."""
    data = weights.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RetrievalError(f"The encoder's weights in {weights} are not the published ones.")
    path.parent.mkdir(parents=True, exist_ok=True)
    model = _drawn(_tensors(data), precision)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        with made.open("wb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)


def _tensors(data: bytes) -> Tensors:
    """The tensors of a safetensors file: a length, a JSON table, the bytes."""
    (length,) = struct.unpack("<Q", data[:8])
    table = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    tensors: Tensors = {}
    for name, entry in table.items():
        if entry.get("dtype") == "F32":
            start, end = entry["data_offsets"]
            flat = np.frombuffer(body[start:end], dtype=np.float32)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def _drawn(tensors: Tensors, precision: Precision) -> onnx.ModelProto:
    drawing = _Drawing(tensors) if precision == "fp32" else _Integers(tensors)
    x = _embedded(drawing)
    for number in range(_LAYERS):
        x = _layer(drawing, f"encoder.layer.{number}", x)
    total = drawing.node("ReduceSum", x, drawing.numbers(1), keepdims=0)
    length = drawing.node("ReduceL2", total, drawing.numbers(1))
    # At length 1 the sum over the tokens is the mean over the tokens.
    return _model(drawing, drawing.node("Div", total, length))


def _embedded(drawing: _Drawing) -> str:
    """Word + position + token type, which is 0 everywhere and so part of the position."""
    types = drawing.tensors["embeddings.token_type_embeddings.weight"]
    places = drawing.constant(drawing.tensors["embeddings.position_embeddings.weight"] + types[0])
    length = drawing.node("Shape", "tokens", start=1, end=2)
    place = drawing.node("Slice", places, drawing.numbers(0), length, drawing.numbers(0))
    word = drawing.rows("embeddings.word_embeddings.weight", "tokens")
    return drawing.normed("embeddings.LayerNorm", drawing.node("Add", word, place))


def _layer(drawing: _Drawing, prefix: str, x: str) -> str:
    attended = drawing.linear(f"{prefix}.attention.output.dense", _attention(drawing, prefix, x))
    x = drawing.normed(f"{prefix}.attention.output.LayerNorm", drawing.node("Add", x, attended))
    wide = drawing.node("Gelu", drawing.linear(f"{prefix}.intermediate.dense", x))
    narrow = drawing.linear(f"{prefix}.output.dense", wide)
    return drawing.normed(f"{prefix}.output.LayerNorm", drawing.node("Add", x, narrow))


def _attention(drawing: _Drawing, prefix: str, x: str) -> str:
    head = _SIZE // _HEADS
    heads = drawing.numbers(0, 0, _HEADS, head)

    def part(name: str, *order: int) -> str:
        flat = drawing.linear(f"{prefix}.attention.self.{name}", x)
        return drawing.node("Transpose", drawing.node("Reshape", flat, heads), perm=order)

    query, key, value = (
        part("query", 0, 2, 1, 3),
        part("key", 0, 2, 3, 1),
        part("value", 0, 2, 1, 3),
    )
    scale = drawing.constant(np.array(head**-0.5, dtype=np.float32))
    scores = drawing.node("Mul", drawing.node("MatMul", query, key), scale)
    mixed = drawing.node("MatMul", drawing.node("Softmax", scores, axis=-1), value)
    mixed = drawing.node("Transpose", mixed, perm=[0, 2, 1, 3])
    return drawing.node("Reshape", mixed, drawing.numbers(0, 0, _SIZE))


def _model(drawing: _Drawing, result: str) -> onnx.ModelProto:
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["texts", "length"])
    vectors = helper.make_tensor_value_info(result, TensorProto.FLOAT, ["texts", _SIZE])
    graph = helper.make_graph(drawing.nodes, "minilm", [tokens], [vectors], drawing.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model


class _Drawing:
    """A graph in the making; every method adds nodes and names what they yield."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def numbers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def nodes_of(self, kind: str, inputs: list[str], count: int, **attributes: Any) -> list[str]:
        names = [f"n{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.nodes_of(kind, list(inputs), 1, **attributes)[0]

    def normed(self, name: str, x: str) -> str:
        weight, bias = (self.constant(self.tensors[f"{name}.{p}"]) for p in ("weight", "bias"))
        return self.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=_EPSILON)

    def rows(self, name: str, which: str) -> str:
        return self.node("Gather", self.constant(self.tensors[name]), which)

    def linear(self, name: str, x: str) -> str:
        weight, bias = self.tensors[f"{name}.weight"], self.constant(self.tensors[f"{name}.bias"])
        return self.node("Add", self.node("MatMul", x, self.constant(weight.T)), bias)


class _Integers(_Drawing):
    """The same graph with its large tables as integers, one scale a row or channel."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__(tensors)
        self._quantized: dict[str, list[str]] = {}

    def rows(self, name: str, which: str) -> str:
        numbers, scales = _quantized(self.tensors[name])
        found = self.node("Gather", self.constant(numbers), which)
        scale = self.node("Gather", self.constant(scales), which)
        return self.node("Mul", self.node("Cast", found, to=TensorProto.FLOAT), scale)

    def linear(self, name: str, x: str) -> str:
        """Activations are scaled as they come, once for all products that read them."""
        if x not in self._quantized:
            self._quantized[x] = self.nodes_of("DynamicQuantizeLinear", [x], 3)
        numbers, scale, zero = self._quantized[x]
        weights, scales = _quantized(self.tensors[f"{name}.weight"])
        both = self.node("Mul", scale, self.constant(scales[:, 0]))
        none = self.constant(np.zeros(len(scales), dtype=np.int8))
        product = self.node("MatMulInteger", numbers, self.constant(weights.T), zero, none)
        flat = self.node("Mul", self.node("Cast", product, to=TensorProto.FLOAT), both)
        return self.node("Add", flat, self.constant(self.tensors[f"{name}.bias"]))


def _quantized(table: NDArray[np.float32]) -> tuple[Array, Array]:
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / _LARGEST
    return np.rint(table / scales).astype(np.int8), scales.astype(np.float32)
