"""The trained pair model as an ONNX graph with integer tables. Words come in as rows: they are the
encoder's own, and lie with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from cache.verification.pairs import LONGEST
from eval.train.reranker.export import layer
from retrieval.encoders.drawing import Drawing, Integers, Tensors, finished

_SIZE = 384
_PLACES = 2 * LONGEST + 3


def export(tensors: Tensors, path: Path, precision: str = "int8") -> None:
    drawing = Integers(tensors) if precision == "int8" else Drawing(tensors)
    path.write_bytes(_drawn(drawing).SerializeToString())


def _drawn(drawing: Drawing) -> onnx.ModelProto:
    x = _embedded(drawing)
    count = len({name.split(".")[1] for name in drawing.tensors if name.startswith("layers.")})
    for number in range(count - 1):
        x = layer(drawing, f"layers.{number}", x)
    first = drawing.node("Slice", x, drawing.numbers(0), drawing.numbers(1), drawing.numbers(1))
    top = layer(drawing, f"layers.{count - 1}", x, first)
    told = drawing.node("Tanh", Drawing.linear(drawing, "dense", top))
    told = drawing.node("Reshape", Drawing.linear(drawing, "same", told), drawing.numbers(-1))
    drawing.nodes.append(helper.make_node("Identity", [told], ["same"]))
    return finished(
        drawing,
        "pairs",
        [
            helper.make_tensor_value_info("words", TensorProto.FLOAT, [1, "length", _SIZE]),
            helper.make_tensor_value_info("parts", TensorProto.INT64, [1, "length"]),
            helper.make_tensor_value_info("rarity", TensorProto.FLOAT, [1, "length"]),
        ],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, [None])],
    )


def _embedded(drawing: Drawing) -> str:
    length = drawing.node("Shape", "parts", start=1, end=2)
    places = drawing.constant(drawing.tensors["places.weight"][:_PLACES].astype(np.float16))
    place = drawing.node("Slice", places, drawing.numbers(0), length, drawing.numbers(0))
    place = drawing.node("Cast", place, to=TensorProto.FLOAT)
    rarity = drawing.node("Unsqueeze", "rarity", drawing.numbers(-1))
    rare = drawing.node("Gather", drawing.named("rare.weight"), "parts")
    part = drawing.node("Gather", drawing.named("parts.weight"), "parts")
    x = drawing.node("Add", "words", place)
    x = drawing.node("Add", x, drawing.node("Add", part, drawing.node("Mul", rarity, rare)))
    return drawing.normed("norm", x)
