"""From LightGBM's boosters to the arrays that are shipped: the same sums, and no LightGBM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.forest import Forest

if TYPE_CHECKING:
    from lightgbm import Booster


def exported(boosters: Sequence[Booster]) -> Forest:
    """Their mean, as one forest. Only splits of finite numbers are known."""
    nodes = _Nodes()
    dumps = [booster.dump_model() for booster in boosters]
    roots = [nodes.tree(tree["tree_structure"]) for dump in dumps for tree in dump["tree_info"]]
    return Forest.of(
        nodes.feature,
        np.asarray(nodes.threshold, dtype=np.float32),
        nodes.child,
        np.asarray(nodes.value) / len(boosters),
        roots,
        dumps[0]["max_feature_idx"] + 1,
    )


def below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest float32 that is not above each: no float32 falls between the two."""
    short = thresholds.astype(np.float32)
    return np.where(short > thresholds, np.nextafter(short, np.float32(-np.inf)), short)


class _Nodes:
    """The arrays of a forest while trees are added to them."""

    def __init__(self) -> None:
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.child: list[int] = []
        self.value: list[float] = []

    def tree(self, root: Mapping[str, Any]) -> int:
        """Its root's place. Children of one node lie beside each other, after it."""
        place = self._room(1)
        waiting = [(root, place)]
        while waiting:
            node, at = waiting.pop()
            if "split_feature" not in node:
                self.value[at] = node["leaf_value"]
                continue
            if node["decision_type"] != "<=" or node["missing_type"] != "None":
                raise ValueError("Only splits of numbers, none of them missing, can be exported.")
            left = self._room(2)
            self.feature[at] = node["split_feature"]
            self.threshold[at] = float(below(np.asarray([node["threshold"]]))[0])
            self.child[at] = left
            waiting += [(node["left_child"], left), (node["right_child"], left + 1)]
        return place

    def _room(self, nodes: int) -> int:
        """Where so many leaves, worth nothing yet, were put."""
        first = len(self.child)
        self.feature += [0] * nodes
        self.threshold += [float("inf")] * nodes
        self.child += range(first, first + nodes)
        self.value += [0.0] * nodes
        return first
