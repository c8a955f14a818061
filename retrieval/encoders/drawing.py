"""ONNX graphs, drawn node by node from named tensors, as floats or with integer tables.

It knows what a linear layer and a table are, and no model.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array: TypeAlias = NDArray[Any]
Tensors: TypeAlias = dict[str, NDArray[np.float32]]

EPSILON = 1e-12
SCALE = ".scale"
"""Ends the name of the constant that holds an integer table's scales."""
_OPSET = 20
_IR_VERSION = 10  # What the oldest onnxruntime that we accept can read.
_LARGEST = 63
"""Weights take seven bits of an int8: with eight, products overflow on processors without VNNI,
and vectors would differ from machine to machine."""


def finished(
    drawing: Drawing,
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The model, checked."""
    graph = helper.make_graph(drawing.nodes, name, inputs, outputs, drawing.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model


class Drawing:
    """A graph in the making; every method adds nodes and names what they yield.

    Constants that are tensors of the model keep their names; a linear layer's is transposed."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, array: Array, name: str = "") -> str:
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def named(self, name: str) -> str:
        return self.constant(self.tensors[name], name)

    def numbers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def nodes_of(self, kind: str, inputs: list[str], count: int, **attributes: Any) -> list[str]:
        names = [f"n{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.nodes_of(kind, list(inputs), 1, **attributes)[0]

    def normed(self, name: str, x: str) -> str:
        weight, bias = (self.named(f"{name}.{part}") for part in ("weight", "bias"))
        return self.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=EPSILON)

    def rows(self, name: str, which: str) -> str:
        return self.node("Gather", self.named(name), which)

    def linear(self, name: str, x: str) -> str:
        weight = self.constant(self.tensors[f"{name}.weight"].T, f"{name}.weight")
        return self.node("Add", self.node("MatMul", x, weight), self.named(f"{name}.bias"))


class Integers(Drawing):
    """The same graph with its large tables as integers, one scale a row or channel."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__(tensors)
        self._quantized: dict[str, list[str]] = {}

    def rows(self, name: str, which: str) -> str:
        numbers, scales = quantized(self.tensors[name])
        found = self.node("Gather", self.constant(numbers, name), which)
        scale = self.node("Gather", self.constant(scales, f"{name}{SCALE}"), which)
        return self.node("Mul", self.node("Cast", found, to=TensorProto.FLOAT), scale)

    def linear(self, name: str, x: str) -> str:
        """Activations are scaled as they come, once for all products that read them."""
        if x not in self._quantized:
            self._quantized[x] = self.nodes_of("DynamicQuantizeLinear", [x], 3)
        numbers, scale, zero = self._quantized[x]
        weights, scales = quantized(self.tensors[f"{name}.weight"])
        both = self.node("Mul", scale, self.constant(scales[:, 0], f"{name}.weight{SCALE}"))
        none = self.constant(np.zeros(len(scales), dtype=np.int8))
        weight = self.constant(weights.T, f"{name}.weight")
        product = self.node("MatMulInteger", numbers, weight, zero, none)
        flat = self.node("Mul", self.node("Cast", product, to=TensorProto.FLOAT), both)
        return self.node("Add", flat, self.named(f"{name}.bias"))


def quantized(table: NDArray[np.float32]) -> tuple[Array, Array]:
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / _LARGEST
    return np.rint(table / scales).astype(np.int8), scales.astype(np.float32)
