"""Boosted trees as arrays."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.forest import BadForest, Forest

FEATURES = 4
INF = math.inf

# Two trees over two features: x0 <= 1 ? (x1 <= -2 ? 0.5 : 1.5) : 4, and a single leaf of 10.
SMALL: dict[str, Any] = {
    "feature": [0, 1, 0, 0, 0, 0],
    "threshold": [1.0, -2.0, INF, INF, INF, INF],
    "child": [1, 3, 2, 3, 4, 5],
    "value": [0.0, 0.0, 4.0, 0.5, 1.5, 10.0],
    "root": [0, 5],
    "features": 2,
    "base": 100.0,
}


def rows(*values: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(values, dtype=np.float32)


def test_a_small_forest_adds_up_what_its_leaves_are_worth() -> None:
    forest = Forest.of(**SMALL)
    asked = rows((0.0, -3.0), (0.0, 0.0), (2.0, -3.0))
    assert forest.predict(asked).tolist() == [110.5, 111.5, 114.0]


def test_a_row_that_equals_a_threshold_goes_the_first_way() -> None:
    assert Forest.of(**SMALL).predict(rows((1.0, -2.0))).tolist() == [110.5]


def test_no_rows_have_no_sums() -> None:
    assert Forest.of(**SMALL).predict(np.empty((0, 2), dtype=np.float32)).shape == (0,)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="2 features"):
        Forest.of(**SMALL).predict(rows((1.0, 2.0, 3.0)))


def test_a_stored_forest_is_the_same_by_path_and_by_bytes(tmp_path: Path) -> None:
    forest = Forest.of(**SMALL)
    stored = forest.stored()
    (tmp_path / "small.npz").write_bytes(stored)
    asked = rows((0.3, -2.5), (7.0, 0.0))
    for loaded in (Forest.load(stored), Forest.load(tmp_path / "small.npz")):
        assert loaded.predict(asked).tolist() == forest.predict(asked).tolist()
    assert forest.stored() == stored


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"child": [1, 0, 2, 3, 4, 5]}, "come after"),
        ({"child": [1, 6, 2, 3, 4, 5]}, "come after"),
        ({"child": [1, 5, 2, 3, 4, 5]}, "one child"),
        ({"root": [0, 6]}, "begins at no node"),
        ({"feature": [0, 2, 0, 0, 0, 0]}, "no row has"),
        ({"threshold": [1.0, -2.0, 0.0, INF, INF, INF]}, "leaf has a threshold"),
        ({"value": [0.0]}, "one length"),
    ],
)
def test_what_would_not_arrive_at_a_leaf_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadForest, match=reason):
        Forest.of(**SMALL | change)


def test_a_file_that_is_something_else_is_refused() -> None:
    other, array = io.BytesIO(), io.BytesIO()
    np.savez(other, feature=np.zeros(1))
    np.save(array, np.zeros(1))
    for source in (b"", b"PK\x03\x04 cut off", b"hello", other.getvalue(), array.getvalue()):
        with pytest.raises(BadForest):
            Forest.load(source)


Tree = Any  # a leaf's worth, or (feature, threshold, left, right)
_NUMBER = st.floats(-4, 4, width=32)
_TREE: st.SearchStrategy[Tree] = st.recursive(
    _NUMBER,
    lambda below: st.tuples(st.integers(0, FEATURES - 1), _NUMBER, below, below),
    max_leaves=12,
)


@given(
    trees=st.lists(_TREE, max_size=8),
    asked=st.lists(st.tuples(*[_NUMBER] * FEATURES), min_size=1, max_size=20),
)
def test_it_agrees_with_walking_the_trees(
    trees: list[Tree], asked: list[tuple[float, ...]]
) -> None:
    got = forest_of(trees).predict(rows(*asked))
    for sum_, row in zip(got, asked, strict=True):
        assert sum_ == pytest.approx(sum(walked(tree, row) for tree in trees), abs=1e-9)


def walked(tree: Tree, row: tuple[float, ...]) -> float:
    if not isinstance(tree, tuple):
        return float(tree)
    feature, threshold, left, right = tree
    return walked(left if row[feature] <= threshold else right, row)


def forest_of(trees: list[Tree]) -> Forest:
    nodes: list[list[Any]] = []  # feature, threshold, child, value

    def put(tree: Tree, at: int) -> None:
        if not isinstance(tree, tuple):
            nodes[at] = [0, INF, at, tree]
            return
        child = len(nodes)
        nodes[at] = [tree[0], tree[1], child, 0.0]
        nodes.extend([[], []])
        put(tree[2], child)
        put(tree[3], child + 1)

    root = []
    for tree in trees:
        root.append(len(nodes))
        nodes.append([])
        put(tree, root[-1])
    feature, threshold, child, value = zip(*nodes, strict=True) if nodes else ((), (), (), ())
    return Forest.of(feature, threshold, child, value, root, FEATURES)
