"""all-MiniLM-L6-v2's safetensors to an ONNX graph: tokens in, one normalised vector a text out, and
the tokens' own where they are asked for.

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
from typing import Literal, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper

from retrieval.encoders.drawing import Drawing, Integers, Tensors, finished
from retrieval.types import RetrievalError

Precision: TypeAlias = Literal["int8", "fp32"]

_LAYERS, _HEADS, _SIZE = 6, 12, 384


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
    drawing = Drawing(tensors) if precision == "fp32" else Integers(tensors)
    x = _embedded(drawing)
    for number in range(_LAYERS):
        x = _layer(drawing, f"encoder.layer.{number}", x)
    total = drawing.node("ReduceSum", x, drawing.numbers(1), keepdims=0)
    length = drawing.node("ReduceL2", total, drawing.numbers(1))
    # At length 1 the sum over the tokens is the mean over the tokens.
    each = drawing.node("Div", x, drawing.node("ReduceL2", x, drawing.numbers(2)))
    return _model(drawing, drawing.node("Div", total, length), each)


def _embedded(drawing: Drawing) -> str:
    """Word + position + token type, which is 0 everywhere and so part of the position."""
    types = drawing.tensors["embeddings.token_type_embeddings.weight"]
    places = drawing.constant(drawing.tensors["embeddings.position_embeddings.weight"] + types[0])
    length = drawing.node("Shape", "tokens", start=1, end=2)
    place = drawing.node("Slice", places, drawing.numbers(0), length, drawing.numbers(0))
    word = drawing.rows("embeddings.word_embeddings.weight", "tokens")
    return drawing.normed("embeddings.LayerNorm", drawing.node("Add", word, place))


def _layer(drawing: Drawing, prefix: str, x: str) -> str:
    attended = drawing.linear(f"{prefix}.attention.output.dense", _attention(drawing, prefix, x))
    x = drawing.normed(f"{prefix}.attention.output.LayerNorm", drawing.node("Add", x, attended))
    wide = drawing.node("Gelu", drawing.linear(f"{prefix}.intermediate.dense", x))
    narrow = drawing.linear(f"{prefix}.output.dense", wide)
    return drawing.normed(f"{prefix}.output.LayerNorm", drawing.node("Add", x, narrow))


def _attention(drawing: Drawing, prefix: str, x: str) -> str:
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


def _model(drawing: Drawing, pooled: str, each: str) -> onnx.ModelProto:
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["texts", "length"])
    texts = helper.make_tensor_value_info(pooled, TensorProto.FLOAT, ["texts", _SIZE])
    contextual = helper.make_tensor_value_info(each, TensorProto.FLOAT, ["texts", "length", _SIZE])
    return finished(drawing, "minilm", [tokens], [texts, contextual])
