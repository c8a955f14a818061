"""The data model of every backend: a passage as a point, a manifest, conditions on both.

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
from bisect import bisect_right
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from retrieval.filters import ALWAYS, Condition, Every, Exists, Not, OneOf, Some, Within
from retrieval.index import access
from retrieval.index.access import Access
from retrieval.types import (
    Embedded,
    Metadata,
    Passage,
    Recorded,
    RetrievalError,
    Scalar,
    SparseVector,
    Vector,
    Viewer,
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
TURNS, _OFTEN = 1000, 60
"""Moments that a manifest keeps, and seconds for which an edition lasts where there are more."""
TOKENS = "tokens"
"""The field of token vectors: larger than all others together, so told only where it is needed."""
_RECORDED = ("document", "version", "title", "recipe", "stamp", "passages", "meta")
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_SIDES = {True: "\x00true", False: "\x00false"}
"""Booleans as the words that stand for them: the engine in process cannot match booleans."""
_TRUTHS: Mapping[Scalar, bool] = {word: side for side, word in _SIDES.items()}

Payload: TypeAlias = dict[str, Any]


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
    incarnation: str = ""
    """Tells it from a collection of the same name that was dropped."""
    average_length: float | None = None
    restricted: tuple[str, ...] | None = None
    """The fields of access by which any document has ever kept anybody out; None where it was
    written before points had them."""
    successors: tuple[str, ...] = ()
    """The labels of access of documents that have superseded others."""
    turns: tuple[float, ...] = ()
    """The moments at which documents have begun or ceased to be valid, or will; in order."""

    @classmethod
    def of(cls, payload: Payload) -> Self:
        """The manifest that `as_payload` wrote. Raises TypeError."""
        lists = {key: tuple(value) for key, value in payload.items() if isinstance(value, list)}
        return cls(**payload | lists)

    def as_payload(self) -> Payload:
        return asdict(self)

    def edition(self, at: float) -> str:
        """What can be found at a moment, by name. Where there are too many moments to be kept it
        changes every so often."""
        many = len(self.turns) > TURNS
        turn = at // _OFTEN if many else bisect_right(self.turns, at)
        return f"{self.incarnation}.{self.generation}.{turn:.0f}"

    def begun(self) -> Self:
        """The first manifest of a new collection."""
        return replace(self, incarnation=secrets.token_hex(8))

    def checked(self, collection: str, encoder: str, size: int) -> Manifest:
        """Itself, if that encoder wrote it."""
        if (self.encoder, self.size) != (encoder, size):
            raise RetrievalError(
                f"The collection {collection!r} was written by the encoder {self.encoder!r} "
                f"({self.size} numbers) and cannot be read with {encoder!r} ({size}). "
                f"`moorline reembed --collection {collection}` embeds it anew; or set "
                "retrieval.encoder back."
            )
        return self


M = TypeVar("M", bound=Manifest)


class Store(Protocol):
    """The few things that a backend does with points."""

    async def upsert(self, points: Sequence[Point]) -> None: ...

    async def set(self, which: Condition, payload: Payload) -> None: ...

    async def delete(self, which: Condition) -> None: ...

    async def count(self, which: Condition) -> int: ...

    async def index(self, fields: Mapping[str, str]) -> None:
        """Make filters on these fields fast; the values are `keyword` or `number`."""
        ...

    def payloads(self, which: Condition, fields: Sequence[str] | None) -> AsyncIterator[Payload]:
        """The payloads of points but for token vectors, or these fields; without manifest."""
        ...

    def points(self, which: Condition) -> AsyncIterator[Point]:
        """Points with all that is in them."""
        ...


def check_name(collection: str) -> None:
    if not _NAME.fullmatch(collection):
        raise RetrievalError(
            f"{collection!r} is no name for a collection: up to 64 of a-z, 0-9, - and _."
        )


def visible(generation: int) -> Condition:
    born, died = Within("born", (("lte", generation),)), Within("died", (("gt", generation),))
    return Every((born, died))


def staged(generation: int) -> Condition:
    return Within("born", (("gt", generation),))


def dead(generation: int) -> Condition:
    return Within("died", (("lte", generation),))


def admitted(manifest: Manifest, viewer: Viewer | None) -> Condition:
    """What of a collection is for this viewer, and in force."""
    return access.visible(viewer, manifest.restricted or (), manifest.successors)


async def stage(
    store: Store, manifest: M, documents: Mapping[str, Embedded], remove: Sequence[str]
) -> M:
    """Lay the next generation beside this one; nothing is visible of it until the manifest that
    this returns is published."""
    accesses = {source: _access(document) for source, document in documents.items()}
    restricted = set(manifest.restricted or ()).union(
        *(one.restricted() for one in accesses.values())
    )
    replaced = dict.fromkeys((*documents, *remove))
    order = await _order(store, manifest, documents, accesses, replaced)
    staged = replace(
        manifest,
        generation=manifest.generation + 1,
        restricted=tuple(sorted(restricted)),
        successors=tuple(sorted(order.successors)),
        turns=_turns(manifest.turns, accesses.values()),
    )
    metas = [one.meta for document in documents.values() for one in document.passages]
    await store.index({**fields_of_access(staged), **fields_of(metas)})
    born = staged.generation
    for batch in batches(documents.values(), born, order.labels):
        await store.upsert(batch)
    if order.changed:
        await _restage(store, manifest.generation, order)
    gone = (*replaced, *order.changed)
    await store.set(_all(visible(manifest.generation), _of(*gone)), {"died": born})
    return staged


def _turns(known: Sequence[float], accesses: Iterable[Access]) -> tuple[float, ...]:
    """One more than are told apart says that there are too many."""
    moments = set(known).union(*(one.moments() for one in accesses))
    return tuple(sorted(moments)[: TURNS + 1])


@dataclass(frozen=True, slots=True)
class _Order:
    """Who has superseded whom, once a write is visible."""

    labels: Mapping[str, list[str]]
    """By source: the access of all that have superseded it."""
    changed: Sequence[str]
    """Live documents that are not written anew and whose points say something else as yet."""
    successors: frozenset[str]
    """The access of all that supersede anything."""


async def _order(
    store: Store,
    manifest: Manifest,
    documents: Mapping[str, Embedded],
    accesses: Mapping[str, Access],
    replaced: Collection[str],
) -> _Order:
    superseding = {
        source: named
        for source, document in documents.items()
        if (named := access.superseded(document.passages[0].meta))
    }
    if not superseding and not manifest.successors:
        return _Order({}, (), frozenset())
    known, said = dict(accesses), dict[str, list[str]]()
    telling = Some((Exists(_meta_key("supersedes")), Exists("superseded")))
    first = _all(visible(manifest.generation), Within("first", (("gte", 1),)), telling)
    async for payload in store.payloads(first, ("document", "meta", "superseded")):
        source, meta = payload["document"], _meta(payload)
        if source in replaced:
            continue
        known[source] = access.stored(meta)
        said[source] = payload.get("superseded") or []
        if named := access.superseded(meta):
            superseding[source] = named
    labels = {
        source: sorted({known[one].label() for one in successors})
        for source, successors in access.hidden_by(superseding).items()
    }
    concerned = (labels.keys() | said.keys()) - set(replaced)
    changed = [one for one in concerned if said.get(one, []) != labels.get(one, [])]
    # Those, too, that hide nothing now: when a document goes, who superseded each other until then
    # may hide one another.
    return _Order(labels, changed, frozenset(known[one].label() for one in superseding))


async def _restage(store: Store, generation: int, order: _Order) -> None:
    """The points of documents that something else supersedes now, as they will be."""
    batch: list[Point] = []
    async for point in store.points(_all(visible(generation), _of(*order.changed))):
        labels = order.labels.get(point.payload["document"], [])
        life = {"born": generation + 1, "died": NEVER, "superseded": labels}
        batch.append(Point(_new_id(), point.dense, point.sparse, point.payload | life))
        if len(batch) == STAGE:
            await store.upsert(batch)
            batch = []
    if batch:
        await store.upsert(batch)


async def migrate(store: Store, manifest: M) -> M:
    """The manifest of a collection that was written before points said who may see them; its
    points say so from now on. Interrupted, it is begun anew."""
    open_to_all = Access().as_payload()
    await store.set(Within("born", (("gte", 0),)), {**open_to_all, "superseded": []})
    closed: dict[Access, list[str]] = {}
    first = _all(visible(manifest.generation), Within("first", (("gte", 1),)))
    async for payload in store.payloads(first, ("document", "meta")):
        if (found := access.stored(_meta(payload))) != Access():
            closed.setdefault(found, []).append(payload["document"])
    for found, sources in closed.items():
        await store.set(_of(*sources), found.as_payload())
    restricted = set[str]().union(*(found.restricted() for found in closed))
    turns = _turns((), closed)
    migrated = replace(manifest, restricted=tuple(sorted(restricted)), turns=turns)
    await store.index(fields_of_access(migrated))
    return migrated


async def recover(store: Store, generation: int) -> None:
    """Undo what a write that never was published has left."""
    await store.delete(staged(generation))
    await store.set(Within("died", (("gt", generation), ("lt", NEVER))), {"died": NEVER})


async def caught_up(copy: Store, original: Store, since: int, removed: Sequence[str]) -> int:
    """Bring into a copy of a whole generation what has been written to the original since, which
    is whole now, too; how many points that was. `removed`: sources taken out meanwhile."""
    later = staged(since)
    sources = {payload["document"] async for payload in original.payloads(later, ("document",))}
    if gone := sorted(sources.union(removed)):
        await copy.delete(_all(_of(*gone)))
    many = 0
    batch: list[Point] = []
    async for point in original.points(later):
        batch.append(point)
        many += 1
        if len(batch) == STAGE:
            await copy.upsert(batch)
            batch = []
    if batch:
        await copy.upsert(batch)
    return many


async def changes(
    store: Store, generation: int, documents: Mapping[str, Embedded], remove: Sequence[str]
) -> bool:
    """Whether such a write would change anything."""
    for embedded in documents.values():
        if not embedded.passages:
            raise RetrievalError(f"The document {embedded.source!r} has no passages.")
    if documents or not remove:
        return bool(documents)
    return await store.count(_all(visible(generation), _of(*remove))) > 0


async def documents(store: Store, generation: int) -> dict[str, Recorded]:
    first = _all(visible(generation), Within("first", (("gte", 1),)))
    recipes: dict[str, str] = {}  # which are few; of everything else there may be millions
    found: dict[str, Recorded] = {}
    async for payload in store.payloads(first, _RECORDED):
        recipe = payload.get("recipe", "")
        payload["recipe"] = recipes.setdefault(recipe, recipe)
        found[payload["document"]] = recorded(payload)
    return found


async def passages(
    store: Store, manifest: Manifest, source: str, viewer: Viewer | None
) -> list[Passage]:
    return await _ordered(store, _shown(manifest, viewer, _of(source)))


async def around(
    store: Store,
    manifest: Manifest,
    wanted: Sequence[tuple[str, int, int]],
    viewer: Viewer | None,
) -> list[list[Passage]]:
    """All stretches with one look; a passage may lie in several."""
    if not wanted:
        return []
    stretches = Some(tuple(_stretch(*one) for one in dict.fromkeys(wanted)))
    found = await _ordered(store, _shown(manifest, viewer, stretches))
    return [
        [one for one in found if one.document == source and first <= one.ordinal <= last]
        for source, first, last in wanted
    ]


async def vectors(store: Store, generation: int, source: str) -> dict[str, Vector]:
    found = store.points(_all(visible(generation), _of(source)))
    return {passage(point.payload).digest: point.dense async for point in found}


async def tokens(store: Store, generation: int, source: str) -> dict[str, bytes]:
    found = store.points(_all(visible(generation), _of(source)))
    every = {passage(point.payload).digest: token_vectors(point.payload) async for point in found}
    return {digest: stored for digest, stored in every.items() if stored}


def token_vectors(payload: Payload) -> bytes:
    """What a payload has of them; nothing where there are none."""
    return base64.b64decode(payload.get(TOKENS, ""))


def with_tokens(payload: Payload, stored: bytes) -> Payload:
    """The payload with these instead of any others."""
    rest = {key: value for key, value in payload.items() if key != TOKENS}
    return {**rest, TOKENS: base64.b64encode(stored).decode()} if stored else rest


def _shown(manifest: Manifest, viewer: Viewer | None, which: Condition) -> Condition:
    """By address all that is live is told, but to a viewer only what is for him."""
    seen = ALWAYS if viewer is None else admitted(manifest, viewer)
    return _all(visible(manifest.generation), which, seen)


async def _ordered(store: Store, which: Condition) -> list[Passage]:
    found = [passage(payload) async for payload in store.payloads(which, None)]
    return sorted(found, key=lambda one: one.ordinal)


def _stretch(source: str, first: int, last: int) -> Condition:
    return _all(_of(source), Within("ordinal", (("gte", first), ("lte", last))))


def _of(*sources: str) -> Condition:
    return OneOf("document", sources)


def _all(*conditions: Condition) -> Condition:
    return Every(conditions)


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


def keyed(given: Condition) -> Condition:
    """A caller's condition on metadata as one on payloads."""
    match given:
        case OneOf(field, values):
            return _one_of(_key(field), values)
        case Within(field, bounds):
            return Within(_key(field), bounds)
        case Exists(field):
            return Exists(_key(field))
        case Not(inner):
            return Not(keyed(inner))
        case Every(parts):
            return Every(tuple(map(keyed, parts)))
        case Some(parts):
            return Some(tuple(map(keyed, parts)))


def _one_of(key: str, values: Sequence[Scalar]) -> Condition:
    """Words are matched, numbers lie within themselves."""
    words = tuple(
        _SIDES[one] if isinstance(one, bool) else one
        for one in values
        if isinstance(one, str | bool)
    )
    numbers = [float(one) for one in values if not isinstance(one, str | bool)]
    equal = (Within(key, (("gte", one), ("lte", one))) for one in numbers)
    return Some((*([OneOf(key, words)] if words else []), *equal))


def _key(field: str) -> str:
    return "document" if field == "document" else _meta_key(field)


def _meta_key(field: str) -> str:
    """A path in quotes, since a field's name may have dots in it."""
    return f'meta."{field}"'


def batches(
    documents: Iterable[Embedded], born: int, superseded: Mapping[str, list[str]]
) -> Iterator[list[Point]]:
    batch: list[Point] = []
    for document in documents:
        for number, one in enumerate(document.passages):
            payload = _payload(one, born, superseded.get(document.source, []))
            if number == 0:
                payload |= _record(document)
            if document.tokens:
                payload = with_tokens(payload, document.tokens[number])
            # A passage that is written again keeps its id, so a point needs one of its own.
            batch.append(
                Point(_new_id(), document.vectors[number], document.sparse[number], payload)
            )
            if len(batch) == STAGE:
                yield batch
                batch = []
    if batch:
        yield batch


def _new_id() -> int:
    return secrets.randbits(62) + 1


def _access(document: Embedded) -> Access:
    """The document's, as its first passage says."""
    try:
        return access.access(document.passages[0].meta)
    except RetrievalError as error:
        raise RetrievalError(f"The document {document.source!r} is not written: {error}") from error


def _payload(one: Passage, born: int, superseded: list[str]) -> Payload:
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
        **access.access(one.meta).as_payload(),
        "superseded": superseded,
        "first": 0,
        "born": born,
        "died": NEVER,
    }


def _record(document: Embedded) -> Payload:
    """What the first passage's point says of its document."""
    many = len(document.passages)
    return {"first": 1, "recipe": document.recipe, "stamp": document.stamp, "passages": many}


def fields_of(metas: Iterable[Metadata]) -> dict[str, str]:
    """What filters on this metadata look at, with the kind of index that serves each field."""
    return {
        _meta_key(field): "number" if type(value) in (int, float) else "keyword"
        for meta in metas
        for field, value in meta.items()
        if '"' not in field and "\\" not in field
    }


def fields_of_access(manifest: Manifest) -> dict[str, str]:
    """The same for what decides who may see what, as far as it keeps anybody out."""
    named = {*(manifest.restricted or ()), *(["superseded"] if manifest.successors else [])}
    return {name: access.FIELDS[name] for name in named}


def _written(value: Scalar | Sequence[str]) -> Scalar | list[str]:
    if isinstance(value, bool):
        return _SIDES[value]
    return value if isinstance(value, str | int | float) else list(value)


def _read(value: Scalar | list[str]) -> Scalar | tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else _TRUTHS.get(value, value)
