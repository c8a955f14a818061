"""The trained reader as an ONNX graph with integer tables, and back: a fit may start from one.

One pair a run: a pair read alone needs no padding, and its integers share no scale with others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from retrieval.encoders.drawing import SCALE, Drawing, Integers, Tensors, finished
from retrieval.rerankers.pairs import ASKED, LONGEST, READ

_HEADS, _SIZE = 12, 384
_FAR = -1e4


def export(tensors: Tensors, path: Path, precision: str = "int8") -> None:
    """Write the graph of a reader's tensors."""
    drawing = Integers(tensors) if precision == "int8" else Drawing(tensors)
    path.write_bytes(_drawn(drawing).SerializeToString())


def stored(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a graph that `export` has written, as near as its integers are."""
    found = {c.name: numpy_helper.to_array(c) for c in onnx.load(str(path)).graph.initializer}
    scales = {name: value for name, value in found.items() if name.endswith(SCALE)}
    tensors = {}
    for name, value in found.items():
        if name in scales or ("." not in name and name not in ("near", "rarity")):
            continue
        linear = value.ndim == 2 and not name.startswith(("words", "places", "parts", "rare."))
        if f"{name}{SCALE}" in scales:
            scale = scales[f"{name}{SCALE}"]
            value = value * (scale if scale.ndim == value.ndim else scale[None, :])
        tensors[name] = np.ascontiguousarray(value.T if linear else value, dtype=np.float32)
    return tensors


def _drawn(drawing: Drawing) -> onnx.ModelProto:
    x = _embedded(drawing)
    layers = len({name.split(".")[1] for name in drawing.tensors if name.startswith("layers.")})
    for number in range(layers):
        x = layer(drawing, f"layers.{number}", x)
    first = drawing.node("Gather", x, drawing.numbers(0), axis=1)
    told = Drawing.linear(
        drawing, "relevance", drawing.node("Tanh", drawing.linear("dense", first))
    )
    relevance = drawing.node("Add", _flat(drawing, told), _near(drawing, x))
    apart = drawing.nodes_of(
        "Split", [Drawing.linear(drawing, "span", x)], 2, axis=-1, num_outputs=2
    )
    read = _flat(drawing, _from(drawing, READ))
    far = drawing.constant(np.array(_FAR, dtype=np.float32))
    starts, ends = (drawing.node("Where", read, _flat(drawing, each), far) for each in apart)
    none = _flat(drawing, Drawing.linear(drawing, "none", first))
    names = ("relevance", "starts", "ends", "none")
    for result, name in zip((relevance, starts, ends, none), names, strict=True):
        drawing.nodes.append(helper.make_node("Identity", [result], [name]))
    return finished(
        drawing,
        "reader",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, [1, "length"])
            for name in ("tokens", "parts")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in names],
    )


def _embedded(drawing: Drawing) -> str:
    length = drawing.node("Shape", "tokens", start=1, end=2)
    place = drawing.node(
        "Slice", _halved(drawing, "places.weight"), drawing.numbers(0), length, drawing.numbers(0)
    )
    rarity = drawing.node("Gather", _halved(drawing, "rarity"), "tokens")
    rarity = drawing.node("Unsqueeze", rarity, drawing.numbers(-1))
    rare = drawing.node("Gather", drawing.named("rare.weight"), "parts")
    part = drawing.node("Gather", drawing.named("parts.weight"), "parts")
    x = drawing.node("Add", drawing.rows("words.weight", "tokens"), place)
    x = drawing.node("Add", x, drawing.node("Add", part, drawing.node("Mul", rarity, rare)))
    return drawing.normed("norm", x)


def layer(drawing: Drawing, prefix: str, x: str, made: str | None = None) -> str:
    """One of BERT's: of all its tokens, or of those alone that are `made`."""
    made = made or x
    mixed = drawing.linear(f"{prefix}.mixed", _attention(drawing, prefix, x, made))
    x = drawing.normed(f"{prefix}.mixed_norm", drawing.node("Add", made, mixed))
    wide = drawing.node("Gelu", drawing.linear(f"{prefix}.wide", x))
    narrow = drawing.linear(f"{prefix}.narrow", wide)
    return drawing.normed(f"{prefix}.norm", drawing.node("Add", x, narrow))


def _attention(drawing: Drawing, prefix: str, x: str, made: str) -> str:
    heads = drawing.numbers(0, 0, _HEADS, _SIZE // _HEADS)
    query, key, value = (
        drawing.node(
            "Transpose",
            drawing.node("Reshape", drawing.linear(f"{prefix}.{name}", given), heads),
            perm=order,
        )
        for name, given, order in (
            ("query", made, [0, 2, 1, 3]),
            ("key", x, [0, 2, 3, 1]),
            ("value", x, [0, 2, 1, 3]),
        )
    )
    scale = drawing.constant(np.array((_SIZE // _HEADS) ** -0.5, dtype=np.float32))
    scores = drawing.node("Mul", drawing.node("MatMul", query, key), scale)
    mixed = drawing.node("MatMul", drawing.node("Softmax", scores, axis=-1), value)
    mixed = drawing.node("Transpose", mixed, perm=[0, 2, 1, 3])
    return drawing.node("Reshape", mixed, drawing.numbers(0, 0, _SIZE))


def _near(drawing: Drawing, x: str) -> str:
    """As in the model: how near the text comes to each token of the question, by its worth."""
    length = drawing.node("ReduceL2", x, drawing.numbers(-1))
    unit = drawing.node("Div", x, length)
    alike = drawing.node("MatMul", unit, drawing.node("Transpose", unit, perm=[0, 2, 1]))
    read = drawing.node("Unsqueeze", _from(drawing, READ), drawing.numbers(1))
    apart = drawing.constant(np.array(-1.0, dtype=np.float32))
    nearest = drawing.node(
        "ReduceMax", drawing.node("Where", read, alike, apart), drawing.numbers(-1), keepdims=0
    )
    not_read = drawing.node("Not", _from(drawing, READ))
    asked = drawing.node("And", _from(drawing, ASKED), not_read)
    worth = drawing.node("Softplus", Drawing.linear(drawing, "worth", x))
    worth = drawing.node("Squeeze", worth, drawing.numbers(-1))
    worth = drawing.node("Mul", worth, drawing.node("Cast", asked, to=TensorProto.FLOAT))
    total = drawing.node("ReduceSum", drawing.node("Mul", worth, nearest), drawing.numbers(-1))
    weight = drawing.node("ReduceSum", worth, drawing.numbers(-1))
    least = drawing.constant(np.array(1e-6, dtype=np.float32))
    share = drawing.node("Div", total, drawing.node("Max", weight, least))
    return _flat(drawing, drawing.node("Mul", share, drawing.named("near")))


def _from(drawing: Drawing, part: int) -> str:
    """Which tokens play this part or a later one."""
    return drawing.node("GreaterOrEqual", "parts", drawing.constant(np.array(part, np.int64)))


def _flat(drawing: Drawing, x: str) -> str:
    return drawing.node("Reshape", x, drawing.numbers(-1))


def _halved(drawing: Drawing, name: str) -> str:
    table = drawing.tensors[name][:LONGEST] if name == "places.weight" else drawing.tensors[name]
    half = drawing.constant(table.astype(np.float16), name)
    return drawing.node("Cast", half, to=TensorProto.FLOAT)


def arrays(state: Mapping[str, object]) -> Tensors:
    """A torch state as numpy arrays."""
    return {name: np.asarray(value, dtype=np.float32) for name, value in state.items()}
