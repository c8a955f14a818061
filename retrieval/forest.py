"""Boosted trees as arrays: arithmetic, no more. It knows neither what fitted them nor what for.

All trees go down one level at a time, so that a row costs some array operations a level and not a
loop over nodes. A leaf is its own child with a threshold that nothing exceeds: whoever has arrived
stays.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = "NDArray[np.float32]"
"""Shape (n, features), all finite."""

_STORED = {
    "feature": np.uint16,
    "threshold": np.float32,
    "child": np.uint32,
    "value": np.float32,
    "root": np.uint32,
}
_AT_ONCE = 1 << 17  # nodes that are looked at together, so that they stay in a core's cache


class BadForest(ValueError):
    """A file that holds no forest; the message says why."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Nodes of all trees. From one of them a row goes to `child`, or to the node after it where
    its `feature` exceeds the `threshold`."""

    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    child: NDArray[np.intp]
    value: NDArray[np.float32]  # of leaves
    root: NDArray[np.intp]  # of each tree
    features: int  # that a row has
    depth: int  # of the deepest tree
    base: float = 0.0

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """For each row `base` and what its leaf of each tree is worth."""
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"Rows of {self.features} features are wanted, not {rows.shape}.")
        step = max(1, _AT_ONCE // max(1, len(self.root)))
        sums = np.empty(len(rows), dtype=np.float64)
        for start in range(0, len(rows), step):
            leaves = self._leaves(rows[start : start + step])
            sums[start : start + step] = self.value.take(leaves).sum(axis=1, dtype=np.float64)
        sums += self.base
        return sums

    def _leaves(self, rows: Rows) -> NDArray[np.intp]:
        """Where each row arrives in each tree."""
        flat = np.ascontiguousarray(rows, dtype=np.float32).ravel()
        first = np.arange(0, flat.size, self.features)[:, None]  # a row's own features
        node = np.broadcast_to(self.root, (len(rows), len(self.root)))
        for _ in range(self.depth):
            beyond = flat.take(self.feature.take(node) + first) > self.threshold.take(node)
            node = self.child.take(node) + beyond
        return node

    @classmethod
    def load(cls, source: Path | bytes) -> Self:
        """From its file, or from the bytes of one. Raises BadForest."""
        try:
            with np.load(
                io.BytesIO(source) if isinstance(source, bytes) else source, allow_pickle=False
            ) as stored:
                arrays = {name: stored[name] for name in (*_STORED, "features", "base")}
        except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise BadForest(f"This is no forest: {error}") from None
        return cls.of(**arrays)

    @classmethod
    def of(
        cls,
        feature: Any,
        threshold: Any,
        child: Any,
        value: Any,
        root: Any,
        features: Any,
        base: Any = 0.0,
    ) -> Self:
        """From its arrays. Raises BadForest where a row would not arrive at a leaf."""
        child, root = np.asarray(child, dtype=np.intp), np.asarray(root, dtype=np.intp)
        forest = cls(
            np.asarray(feature, dtype=np.intp),
            np.asarray(threshold, dtype=np.float32),
            child,
            np.asarray(value, dtype=np.float32),
            root,
            int(features),
            _depth(child, root),
            float(base),
        )
        _check(forest)
        return forest

    def stored(self) -> bytes:
        """As it is written to its file."""
        arrays = {name: getattr(self, name).astype(kind) for name, kind in _STORED.items()}
        file = io.BytesIO()
        np.savez_compressed(file, features=self.features, base=self.base, **arrays)
        return file.getvalue()


def _depth(child: NDArray[np.intp], root: NDArray[np.intp]) -> int:
    """Levels of the deepest tree. Children come after their parents, or there would be no end."""
    places = np.arange(len(child))
    if np.any(child < places) or np.any(child >= len(child)):
        raise BadForest("A node's children do not come after it.")
    level, depth = np.unique(root), 0
    if level.size and level[-1] >= len(child):
        raise BadForest("A tree begins at no node.")
    while (inner := level[child[level] != level]).size:
        level, depth = np.concatenate([child[inner], child[inner] + 1]), depth + 1
        if level.max() >= len(child):
            raise BadForest("A node has one child.")
    return depth


def _check(forest: Forest) -> None:
    nodes = len(forest.child)
    if not len(forest.feature) == len(forest.threshold) == len(forest.value) == nodes:
        raise BadForest("Its arrays are not of one length.")
    leaf = forest.child == np.arange(nodes)
    if not np.all(np.isposinf(forest.threshold[leaf])):
        raise BadForest("A leaf has a threshold.")
    if nodes and (forest.feature.min() < 0 or forest.feature.max() >= forest.features):
        raise BadForest("A node looks at a feature that no row has.")
