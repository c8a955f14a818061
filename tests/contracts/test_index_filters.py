"""Every index keeps exactly what meets a condition, whatever the condition is."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.filters import Condition, Every, Exists, Not, OneOf, Some, Within
from retrieval.sparse import query_vector
from retrieval.types import Index, Metadata
from tests.contracts.backends import KINDS, embedded, made, vector

VALUES: Sequence[Any] = ["x", "y", 1, 2.5, -3, True, False, ["x"], ["x", "y"], [], ["true"], ""]
FIELDS = ["a", "b", "c.d"]
METAS: list[Metadata] = [
    {},
    *({field: value} for field in FIELDS for value in VALUES),
    *({"a": one, "b": VALUES[-place], "c.d": "x"} for place, one in enumerate(VALUES, 1)),
]

NUMBERS = st.sampled_from([-3.0, 1.0, 2.0, 2.5])
SCALARS = st.sampled_from(["x", "y", "", "true", "unknown", True, False]) | NUMBERS
NAMES = st.sampled_from([*FIELDS, "unknown"])
COMPARED = {"gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}
SIDES = st.sampled_from([*COMPARED])
BOUNDS = st.dictionaries(SIDES, NUMBERS, min_size=1).map(lambda each: tuple(each.items()))
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.builds(OneOf, NAMES, st.lists(SCALARS, max_size=3).map(tuple)),
    st.builds(Within, NAMES, BOUNDS),
    st.builds(Exists, NAMES),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


def holds(condition: Condition, meta: Mapping[str, Any]) -> bool:
    """What a condition means, read off the metadata itself."""
    match condition:
        case Every(parts):
            return all(holds(part, meta) for part in parts)
        case Some(parts):
            return any(holds(part, meta) for part in parts)
        case Not(inner):
            return not holds(inner, meta)
        case Exists(field):
            return bool(meta.get(field, []) != [])
        case OneOf(field, wanted):
            return any(_same(value, one) for value in _values(meta, field) for one in wanted)
        case Within(field, bounds):
            return any(_within(value, dict(bounds)) for value in _values(meta, field))


def _values(meta: Mapping[str, Any], field: str) -> Sequence[Any]:
    value = meta.get(field, [])
    return value if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    """Python takes True for 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _within(value: Any, bounds: Mapping[str, float]) -> bool:
    if isinstance(value, bool | str):
        return False
    return all(COMPARED[side](value, bound) for side, bound in bounds.items())


async def found(index: Index, where: Condition) -> tuple[set[str], set[str]]:
    legs = await index.search(vector(1), query_vector(["fee"]), len(METAS), where)
    dense, sparse = ({hit.passage.document for hit in leg} for leg in (legs.dense, legs.sparse))
    return dense, sparse


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_what_the_condition_says_of_the_metadata(kind: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        indexes = made(kind, tmp_path)
        index = runner.run(indexes.open("docs", create=True))
        assert index is not None
        documents = [embedded(str(n), "fee", meta=meta) for n, meta in enumerate(METAS)]
        runner.run(index.write(documents))

        @settings(max_examples=200, deadline=None)
        @given(CONDITIONS)
        def check(condition: Condition) -> None:
            expected = {str(n) for n, meta in enumerate(METAS) if holds(condition, meta)}
            assert runner.run(found(index, condition)) == (expected, expected)

        check()
        runner.run(indexes.drop("docs"))
        runner.run(indexes.aclose())
