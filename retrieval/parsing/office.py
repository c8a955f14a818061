"""The parts of an Office package (Open XML), and how they refer to each other.

Parts are read one by one when they are asked for; what a relation names outside the package is
never opened. It knows no format: names of elements are asked for without their namespace, so that
the ISO dialect (Strict) reads like the usual one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lxml.etree import _Element  # type: ignore[import-untyped]

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.zipped import Zipped

_FALLBACK = "Fallback"


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to within the package."""

    kind: str  # the last word of its type: `slide`, `worksheet`, `notesSlide`
    part: str


class Package:
    """A PPTX or XLSX file, opened."""

    def __init__(self, data: bytes, form: str) -> None:
        self._zipped = Zipped(data, form)
        self._form = form
        self._related: dict[str, Mapping[str, Relation]] = {}

    def main(self) -> str:
        """The part that the others hang on."""
        for relation in self.related("").values():
            if relation.kind == "officeDocument":
                return relation.part
        raise Unreadable(f"damaged {self._form}: it names no main part")

    def __contains__(self, part: str) -> bool:
        return part in self._zipped

    def tree(self, part: str) -> _Element:
        return self._zipped.tree(part)

    def stream(self, part: str) -> bytes:
        """A large part's XML in bytes, for who never holds its whole tree."""
        return self._zipped.markup(part, whole=False)

    def related(self, part: str) -> Mapping[str, Relation]:
        """What a part refers to, by the name that it uses."""
        if part not in self._related:
            self._related[part] = dict(self._relations(part))
        return self._related[part]

    def _relations(self, part: str) -> Iterator[tuple[str, Relation]]:
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", name + ".rels")
        if relations not in self._zipped:
            return
        for relation in self.tree(relations).iterfind("{*}Relationship"):
            if relation.get("TargetMode") != "External":
                target = unquote(relation.get("Target", ""))
                path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                kind = relation.get("Type", "").rpartition("/")[2]
                yield relation.get("Id", ""), Relation(kind, path)

    def title(self) -> str:
        """The title in its properties."""
        for relation in self.related("").values():
            if relation.kind == "core-properties" and relation.part in self:
                return self.tree(relation.part).findtext("{*}title") or ""
        return ""


def local(element: _Element) -> str:
    """An element's name without its namespace; empty for a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def reference(element: _Element, name: str = "id") -> str:
    """The relation that an element names."""
    for key, value in element.attrib.items():
        if key.endswith("/relationships}" + name):
            return str(value)
    return ""


def true(value: str | None, default: bool = False) -> bool:
    """A flag as XML Schema writes it."""
    return default if value is None else value.strip() in ("1", "true", "on")


def whole(value: str | None, default: int = 0) -> int:
    """A number as XML Schema writes it; `default` where it is none, or absurd."""
    text = (value or "").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 12 else default


def chosen(parent: _Element) -> Iterator[_Element]:
    """The children, where a choice between two forms of the same is made as a new program would."""
    for child in parent:
        name = local(child)
        if name == "AlternateContent":
            forms = [form for form in child if local(form) in ("Choice", _FALLBACK)]
            for form in forms[:1]:
                yield from chosen(form)
        elif name:
            yield child


def inside(parent: _Element) -> Iterator[_Element]:
    """All elements below, in order, without the second form of what is there twice."""
    todo = [parent]
    while todo:
        element = todo.pop()
        if element is not parent:
            yield element
        todo.extend(reversed([child for child in element if local(child) not in ("", _FALLBACK)]))
