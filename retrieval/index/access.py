"""Who may see a document, and when: from its metadata to the fields of its points, from a viewer to
a condition on them.

Every point has all of these fields, and a collection's manifest says which of them restrict
anything at all: only those are looked at. A document that supersedes others hides them from whoever
may see it itself, so a superseded point carries the access of its successors.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from retrieval.filters import Condition, Every, Not, OneOf, Within, moment
from retrieval.metadata import AGES
from retrieval.types import Metadata, RetrievalError, Viewer

EVERYBODY = "*"
FIELDS: Mapping[str, str] = {
    "tenant": "keyword",
    "groups": "keyword",
    "since": "number",
    "until": "number",
    "superseded": "keyword",
}
"""With the kind of index that serves each, once it restricts anything."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see a document, and when."""

    tenant: str = EVERYBODY
    groups: tuple[str, ...] = (EVERYBODY,)
    since: float = -AGES
    until: float = AGES

    def as_payload(self) -> dict[str, Any]:
        return {**asdict(self), "groups": list(self.groups)}

    def restricted(self) -> set[str]:
        """The fields by which it keeps anybody out."""
        return {name for name, value in asdict(self).items() if value != getattr(_OPEN, name)}

    def moments(self) -> set[float]:
        """When it begins or ceases to hold, where that is ever."""
        return {self.since, self.until} - {_OPEN.since, _OPEN.until}

    def label(self) -> str:
        """A word that stands for it."""
        return json.dumps([self.tenant, self.groups, self.since, self.until])

    def admits(self, viewer: Viewer | None, at: float) -> bool:
        if not self.since <= at < self.until:
            return False
        if viewer is None:
            return True
        mine = {EVERYBODY, *viewer.groups}
        return self.tenant in (EVERYBODY, viewer.tenant) and not mine.isdisjoint(self.groups)


_OPEN = Access()


def access(meta: Metadata) -> Access:
    """What metadata says of it. Raises RetrievalError for what cannot be understood, since
    guessing would show something to whoever must not see it."""
    groups = meta.get("groups") or ()
    listed = (groups,) if isinstance(groups, str) else groups
    if not isinstance(listed, Sequence) or not all(isinstance(one, str) for one in listed):
        raise RetrievalError(f"`groups` is {groups!r}; a list of names is needed.")
    tenant = meta.get("tenant") or EVERYBODY
    if not isinstance(tenant, str):
        raise RetrievalError(f"`tenant` is {tenant!r}; a team's name is needed.")
    since, until = (_moment(meta, "valid_from", -AGES), _moment(meta, "valid_until", AGES))
    return Access(tenant, tuple(sorted(set(listed))) or (EVERYBODY,), since, until)


def stored(meta: Metadata) -> Access:
    """The same of what is in an index already: what cannot be understood is for no viewer."""
    try:
        return access(meta)
    except RetrievalError:
        return Access(groups=())


def superseded(meta: Metadata) -> tuple[str, ...]:
    """The sources that a document with this metadata stands in for."""
    named = meta.get("supersedes") or ()
    return (named,) if isinstance(named, str) else tuple(map(str, _listed(named)))


def visible(
    viewer: Viewer | None, restricted: Collection[str], successors: Iterable[str]
) -> Condition:
    """What may be shown to a viewer; None is somebody from whom nothing is kept. For him, too,
    only what is valid counts, and what nothing valid has superseded."""
    at = time.time() if viewer is None or viewer.at is None else viewer.at
    parts: list[Condition] = []
    if viewer is not None:
        if "tenant" in restricted:
            parts.append(OneOf("tenant", (viewer.tenant, EVERYBODY)))
        if "groups" in restricted:
            parts.append(OneOf("groups", (*sorted(viewer.groups), EVERYBODY)))
    if "since" in restricted:
        parts.append(Within("since", (("lte", at),)))
    if "until" in restricted:
        parts.append(Within("until", (("gt", at),)))
    if hiding := tuple(one for one in successors if _labelled(one).admits(viewer, at)):
        parts.append(Not(OneOf("superseded", hiding)))
    return Every(tuple(parts))


def hidden_by(superseding: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """For each source: those that have superseded it, directly or by way of others.

    Where two supersede each other, by whatever way, neither hides the other."""
    reached = {source: _reached(source, superseding) for source in superseding}
    hidden: dict[str, set[str]] = {}
    for successor, others in reached.items():
        for other in others:
            if successor not in reached.get(other, ()):
                hidden.setdefault(other, set()).add(successor)
    return hidden


def _reached(source: str, superseding: Mapping[str, Sequence[str]]) -> set[str]:
    """All that one gets to from here."""
    reached: set[str] = set()
    ahead = list(superseding[source])
    while ahead:
        if (one := ahead.pop()) not in reached:
            reached.add(one)
            ahead += superseding.get(one, ())
    return reached


@lru_cache(maxsize=4096)
def _labelled(label: str) -> Access:
    tenant, groups, since, until = json.loads(label)
    return Access(tenant, tuple(groups), since, until)


def _moment(meta: Metadata, key: str, otherwise: float) -> float:
    value = meta.get(key)
    if value is None or value == "":
        return otherwise
    at = moment(value, end=key == "valid_until") if isinstance(value, str) else value
    if isinstance(at, bool) or not isinstance(at, int | float) or not -AGES < at < AGES:
        raise RetrievalError(f"`{key}` is {value!r}; a date, or seconds since 1970, is needed.")
    return float(at)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) else (value,)
