"""The data model of every backend: a passage as a point, a filter as clauses, a manifest.

A point lives from generation `born` up to `died`. The manifest says which generation is current, so
a write is staged beside what is live and becomes visible with the one small change of the manifest:

    stage   points with born = G + 1; those that they replace get died = G + 1
    publish G + 1 in the manifest: the moment of the change
    purge   points with died ≤ G + 1

Whoever was stopped on the way left points with born > G or died > G; `recover` undoes them.
It knows neither Qdrant's types nor how a manifest is kept.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeAlias

from retrieval.types import (
    BadFilter,
    Embedded,
    Metadata,
    Passage,
    Recorded,
    RetrievalError,
    Scalar,
    SparseVector,
    Vector,
    Where,
)

DENSE, SPARSE = "dense", "bm25"
NEVER = 1 << 52
"""When a live point dies: later than any generation, and exact as a floating-point number."""
STAGE = 64
"""Points of one upsert: the engine holds the interpreter's lock meanwhile, 3 ms for so many."""
OWN_FIELDS: Mapping[str, str] = {
    "document": "keyword",
    "born": "number",
    "died": "number",
    "first": "number",
    "ordinal": "number",
}
"""What every search or write filters by, with the kind of index that serves it."""
_RECORDED = ("document", "version", "title", "recipe", "stamp", "passages", "meta")
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_BOUNDS = frozenset({"gte", "gt", "lte", "lt"})
_SIDES = {True: "\x00true", False: "\x00false"}
"""Booleans as the words that stand for them: the engine in process cannot match booleans."""
_TRUTHS: Mapping[Scalar, bool] = {word: side for side, word in _SIDES.items()}

Payload: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has, or holds, one of these words."""

    key: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The field is a number within these bounds."""

    key: str
    bounds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Every:
    """All of these clauses hold."""

    clauses: Filter


Clause: TypeAlias = "Sequence[AnyOf | Span | Every]"
"""One of these holds."""
Filter: TypeAlias = "Sequence[Clause]"
"""All of these hold."""


@dataclass(frozen=True, slots=True)
class Point:
    """A passage with both its vectors, as it is stored."""

    id: int
    dense: Vector
    sparse: SparseVector
    payload: Payload


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a collection beside its points."""

    encoder: str
    size: int
    generation: int = 0
    average_length: float | None = None

    def as_payload(self) -> Payload:
        return asdict(self)

    def checked(self, collection: str, encoder: str, size: int) -> Manifest:
        """Itself, if that encoder wrote it."""
        if (self.encoder, self.size) != (encoder, size):
            raise RetrievalError(
                f"The collection {collection!r} was written by the encoder {self.encoder!r} "
                f"({self.size} numbers) and cannot be read with {encoder!r} ({size}). Ingest it "
                "anew under another name, or set retrieval.encoder back."
            )
        return self


class Store(Protocol):
    """The few things that a backend does with points."""

    async def upsert(self, points: Sequence[Point]) -> None: ...

    async def mark(self, which: Filter, died: int) -> None: ...

    async def delete(self, which: Filter) -> None: ...

    async def count(self, which: Filter) -> int: ...

    async def index(self, fields: Mapping[str, str]) -> None:
        """Make filters on these fields fast; the values are `keyword` or `number`."""
        ...

    def payloads(self, which: Filter, fields: Sequence[str] | None) -> AsyncIterator[Payload]:
        """All points' payloads, or these fields of them; without manifest."""
        ...

    def vectors(self, which: Filter) -> AsyncIterator[tuple[Payload, Vector]]:
        """The same, whole, each with its dense vector."""
        ...


def check_name(collection: str) -> None:
    if not _NAME.fullmatch(collection):
        raise RetrievalError(
            f"{collection!r} is no name for a collection: up to 64 of a-z, 0-9, - and _."
        )


def visible(generation: int) -> Filter:
    return [Span("born", {"lte": generation})], [Span("died", {"gt": generation})]


def staged(generation: int) -> Filter:
    return ([Span("born", {"gt": generation})],)


def dead(generation: int) -> Filter:
    return ([Span("died", {"lte": generation})],)


async def stage(
    store: Store, generation: int, documents: Mapping[str, Embedded], remove: Sequence[str]
) -> None:
    """Lay the next generation beside this one; nothing is visible of it yet."""
    await store.index(_fields(documents.values()))
    for batch in batches(documents.values(), generation + 1):
        await store.upsert(batch)
    replaced = tuple(dict.fromkeys((*documents, *remove)))
    await store.mark((*visible(generation), [AnyOf("document", replaced)]), generation + 1)


async def recover(store: Store, generation: int) -> None:
    """Undo what a write that never was published has left."""
    await store.delete(staged(generation))
    undead: Filter = ([Span("died", {"gt": generation, "lt": NEVER})],)
    await store.mark(undead, NEVER)


async def changes(
    store: Store, generation: int, documents: Mapping[str, Embedded], remove: Sequence[str]
) -> bool:
    """Whether such a write would change anything."""
    for embedded in documents.values():
        if not embedded.passages:
            raise RetrievalError(f"The document {embedded.source!r} has no passages.")
    if documents or not remove:
        return bool(documents)
    return await store.count((*visible(generation), [AnyOf("document", tuple(remove))])) > 0


async def documents(store: Store, generation: int) -> dict[str, Recorded]:
    first: Filter = (*visible(generation), [Span("first", {"gte": 1})])
    payloads = store.payloads(first, _RECORDED)
    return {payload["document"]: recorded(payload) async for payload in payloads}


async def passages(store: Store, generation: int, source: str) -> list[Passage]:
    which = (*visible(generation), [AnyOf("document", (source,))])
    return await _ordered(store, which)


async def around(
    store: Store, generation: int, wanted: Sequence[tuple[str, int, int]]
) -> list[list[Passage]]:
    """All stretches with one look; a passage may lie in several."""
    if not wanted:
        return []
    stretches = [_stretch(*one) for one in dict.fromkeys(wanted)]
    found = await _ordered(store, (*visible(generation), stretches))
    return [
        [one for one in found if one.document == source and first <= one.ordinal <= last]
        for source, first, last in wanted
    ]


async def vectors(store: Store, generation: int, source: str) -> dict[str, Vector]:
    which = (*visible(generation), [AnyOf("document", (source,))])
    return {passage(payload).digest: dense async for payload, dense in store.vectors(which)}


async def _ordered(store: Store, which: Filter) -> list[Passage]:
    found = [passage(payload) async for payload in store.payloads(which, None)]
    return sorted(found, key=lambda one: one.ordinal)


def _stretch(source: str, first: int, last: int) -> Every:
    return Every(([AnyOf("document", (source,))], [Span("ordinal", {"gte": first, "lte": last})]))


def passage(payload: Payload) -> Passage:
    """The passage that a payload was made from."""
    return Passage(
        id=payload["passage"],
        document=payload["document"],
        version=payload["version"],
        ordinal=payload["ordinal"],
        title=payload["title"],
        headings=tuple(payload["headings"]),
        text=payload["text"],
        start=payload["start"],
        end=payload["end"],
        page=payload["page"],
        meta=_meta(payload),
        # What follows is not in what was written before there was such a thing.
        parent=(parent[0], parent[1]) if (parent := payload.get("parent")) else None,
        flags=tuple(payload.get("flags", ())),
        sketch=base64.b64decode(payload.get("sketch", "")),
    )


def recorded(payload: Payload) -> Recorded:
    return Recorded(
        version=payload["version"],
        recipe=payload.get("recipe", ""),
        stamp=payload.get("stamp", ""),
        title=payload["title"],
        passages=payload.get("passages", 0),
        meta=_meta(payload),
    )


def _meta(payload: Payload) -> Metadata:
    return {key: _read(value) for key, value in payload["meta"].items()}


def clauses(where: Where | None) -> Filter:
    """A caller's filter. Raises BadFilter, which names the field."""
    return [_clause(field, wanted) for field, wanted in (where or {}).items()]


def _clause(field: str, wanted: Any) -> Clause:
    key = "document" if field == "document" else _meta_key(field)
    if isinstance(wanted, Mapping):
        return [Span(key, _bounds(field, wanted))]
    values = [wanted] if isinstance(wanted, str | int | float) else wanted
    if not isinstance(values, Sequence):
        raise BadFilter(f"The filter on {field!r} is neither a value, a list nor a range.")
    words, numbers = [], []
    for value in values:
        if isinstance(value, bool):
            words.append(_SIDES[value])
        elif isinstance(value, str):
            words.append(value)
        elif isinstance(value, int | float):
            numbers.append(Span(key, {"gte": value, "lte": value}))
        else:
            raise BadFilter(f"The filter on {field!r} holds {value!r}; text or a number is needed.")
    return [*([AnyOf(key, tuple(words))] if words else []), *numbers]


def _bounds(field: str, wanted: Mapping[Any, Any]) -> dict[str, float]:
    if not wanted or not set(wanted) <= _BOUNDS:
        raise BadFilter(f"The filter on {field!r} is a range; its keys are gte, gt, lte and lt.")
    for bound in wanted.values():
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise BadFilter(f"The filter on {field!r} has the bound {bound!r}; a number is needed.")
    return {side: float(bound) for side, bound in wanted.items()}


def _meta_key(field: str) -> str:
    """A path in quotes, since a field's name may have dots in it."""
    if not field or '"' in field or "\\" in field:
        raise BadFilter(f"The filter names the field {field!r}, which cannot exist.")
    return f'meta."{field}"'


def batches(documents: Iterable[Embedded], born: int) -> Iterator[list[Point]]:
    batch: list[Point] = []
    for document in documents:
        for number, one in enumerate(document.passages):
            payload = _payload(one, born)
            if number == 0:
                payload |= _record(document)
            # A passage that is written again keeps its id, so a point needs one of its own.
            own = secrets.randbits(62) + 1
            batch.append(Point(own, document.vectors[number], document.sparse[number], payload))
            if len(batch) == STAGE:
                yield batch
                batch = []
    if batch:
        yield batch


def _payload(one: Passage, born: int) -> Payload:
    return {
        "passage": one.id,
        "document": one.document,
        "version": one.version,
        "ordinal": one.ordinal,
        "title": one.title,
        "headings": list(one.headings),
        "text": one.text,
        "start": one.start,
        "end": one.end,
        "page": one.page,
        "meta": {key: _written(value) for key, value in one.meta.items()},
        "parent": list(one.parent) if one.parent else None,
        "flags": list(one.flags),
        "sketch": base64.b64encode(one.sketch).decode(),
        "first": 0,
        "born": born,
        "died": NEVER,
    }


def _record(document: Embedded) -> Payload:
    """What the first passage's point says of its document."""
    many = len(document.passages)
    return {"first": 1, "recipe": document.recipe, "stamp": document.stamp, "passages": many}


def _fields(documents: Iterable[Embedded]) -> dict[str, str]:
    """The metadata of these documents, with the kind of index that serves each field."""
    metas: list[Metadata] = [one.meta for document in documents for one in document.passages]
    return {
        _meta_key(field): "number" if type(value) in (int, float) else "keyword"
        for meta in metas
        for field, value in meta.items()
        if '"' not in field and "\\" not in field
    }


def _written(value: Scalar | Sequence[str]) -> Scalar | list[str]:
    if isinstance(value, bool):
        return _SIDES[value]
    return value if isinstance(value, str | int | float) else list(value)


def _read(value: Scalar | list[str]) -> Scalar | tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else _TRUTHS.get(value, value)
