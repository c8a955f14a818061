"""Lists as OpenAI's clients page through them: by the id of the last object they have seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from fastapi import Query

from gateway.errors import NotFound

T = TypeVar("T")
Limit: TypeAlias = Annotated[int, Query(ge=1, le=100)]
ManyMore: TypeAlias = Annotated[int, Query(ge=1, le=10_000)]
Order: TypeAlias = Literal["asc", "desc"]


def page(
    oldest_first: Sequence[T],
    told: Callable[[T], dict[str, Any]],
    limit: int,
    order: Order,
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """One page of a list. `told` gives an object with its `id`. Raises NotFound for a mark that is
    not in the list."""
    shown = [told(one) for one in (oldest_first if order == "asc" else oldest_first[::-1])]
    names = [one["id"] for one in shown]
    start = _place(names, after, "after") + 1 if after is not None else 0
    end = _place(names, before, "before") if before is not None else len(shown)
    ahead = shown[start:end]
    # Seen from a mark behind it, the page next to the mark is wanted.
    backwards = before is not None and after is None
    data = ahead[-limit:] if backwards else ahead[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(ahead) > limit,
    }


def _place(names: list[str], name: str, param: str) -> int:
    if name not in names:
        raise NotFound(f"There is no '{name}' in this list.", param=param)
    return names.index(name)
