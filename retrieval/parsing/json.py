"""JSON to blocks: keys and values as `key: value`, what is nested under headings of its path.

A list of plain records is a table, a record with a text of its own a section under its title, and
JSONL a list of records, one a line. Values are said as they are written: a number keeps its zeros,
NaN is a word, a key that is there twice is said twice. It knows no schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft, Unreadable

_DEEPEST = 60  # more is a tree of a program, not a document
_MOST_VALUES = 5_000_000  # at some sixty bytes each
_LONG = 200  # characters of a value that is prose
_WIDE = 600  # characters of a record that is read as one line
_LONGEST_TITLE = 150
_SAMPLE = 50  # records that show what the others are
_LEVELS = 9

_TITLES = ("title", "headline", "heading", "subject", "name", "question")
_IDS = ("id", "_id", "key", "uid", "uuid", "doc_id", "docid")
_TEXTS = frozenset(
    {"text", "body", "content", "contents", "description", "abstract", "summary", "answer"}
    | {"passage", "context", "paragraph", "message", "markdown"}
)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object as it is written: keys may repeat."""

    pairs: list[tuple[str, Value]]


Value: TypeAlias = "str | bool | _Object | list[Value] | None"


def read(data: bytes) -> Draft:
    """One value; where a line is one, as some write their JSONL, each line."""
    text = decoded(data)
    _refuse_large(text)
    draft = Draft()
    try:
        value = _parsed(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" or "\n" not in text[: error.pos].rstrip() + text[error.pos :]:
            raise _damaged("JSON", error) from error
        _records(draft, _lines(text), 1)
        return draft
    if isinstance(value, _Object):
        draft.title = _title(value)
        heading = _said_title(value)
        if heading:
            draft.add("heading", heading, 1)
        _object(draft, value, 1 + bool(heading), 0)
    elif isinstance(value, list):
        _list(draft, "", value, 1, 0)
    else:
        _prose(draft, "", _scalar(value))
    return draft


def read_lines(data: bytes) -> Draft:
    """A record a line."""
    draft = Draft()
    _records(draft, _lines(decoded(data)), 1)
    return draft


def _refuse_large(text: str) -> None:
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise Unreadable(f"too large: more than {_MOST_VALUES:,} values")


def _parsed(text: str) -> Value:
    """The value that a text is. Numbers stay as they are written."""
    try:
        value: Value = json.loads(
            text,
            object_pairs_hook=_Object,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
            strict=False,  # line ends within strings are common, and harmless
        )
    except RecursionError as error:
        raise Unreadable(f"too deep: nested more than {_DEEPEST} times") from error
    return value


def _lines(text: str) -> Iterator[Value]:
    values = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            _refuse_large(line)
            values += line.count(",") + 1
            if values > 10 * _MOST_VALUES:
                raise Unreadable(f"too large: more than {10 * _MOST_VALUES:,} values")
            try:
                yield _parsed(line)
            except json.JSONDecodeError as error:
                raise _damaged(f"JSONL at line {number:,}", error) from error


def _damaged(what: str, error: json.JSONDecodeError) -> Unreadable:
    place = f"line {error.lineno:,}, " if error.lineno > 1 else ""
    return Unreadable(f"damaged {what}: {error.msg} ({place}column {error.colno:,})")


def _object(draft: Draft, value: _Object, level: int, depth: int) -> None:
    """Its own values first, as what follows a heading belongs to it; then what is nested."""
    if depth > _DEEPEST:
        raise Unreadable(f"too deep: nested more than {_DEEPEST} times")
    short: list[str] = []
    nested: list[tuple[str, Value]] = []
    for key, inner in value.pairs:
        line = _line(key, inner)
        if line is None:
            nested.append((key, inner))
        elif line:
            short.append(line)
    if short:
        draft.add("paragraph", "\n".join(short))
    for key, inner in nested:
        if isinstance(inner, _Object):
            draft.add("heading", _words(key), min(level, _LEVELS))
            _object(draft, inner, level + 1, depth + 1)
        elif isinstance(inner, list):
            _list(draft, key, inner, level, depth + 1)
        else:
            _prose(draft, key, _scalar(inner))


def _line(key: str, value: Value) -> str | None:
    """A short value beside its key; empty where there is none, None where it needs more room."""
    if isinstance(value, _Object):
        said = "; ".join(_flat(value, key)) if _plain(value) else None
        return said if said is not None and len(said) <= _LONG else None
    if isinstance(value, list):
        if any(isinstance(item, _Object | list) for item in value):
            return None
        said = ", ".join(filter(None, map(_scalar, value)))
    else:
        said = _scalar(value)
    if len(said) > _LONG or "\n" in said.strip():
        return None
    return f"{_words(key)}: {said.strip()}" if said.strip() else ""


def _list(draft: Draft, key: str, items: list[Value], level: int, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unreadable(f"too deep: nested more than {_DEEPEST} times")
    if not items:
        return
    if key:
        draft.add("heading", _words(key), min(level, _LEVELS))
        level += 1
    _records(draft, items, level, key, depth)


def _records(
    draft: Draft, items: Iterable[Value], level: int, key: str = "", depth: int = 0
) -> None:
    """Plain records are rows of a table; others stand under headings of their own."""
    rest = iter(items)
    first = list(islice(rest, _SAMPLE))
    records = [item for item in first if isinstance(item, _Object)]
    table = bool(records) and all(_plain(record) and not _texts(record) for record in records)
    for number, item in enumerate(chain(first, rest), 1):
        if isinstance(item, _Object):
            if table and _plain(item) and len(row := "; ".join(_flat(item))) <= _WIDE:
                draft.add("table", row)
                continue
            name = _title(item) or _id(item) or f"{_words(key) or 'Record'} {number}"
            draft.add("heading", name, min(level, _LEVELS))
            _record(draft, item, level + 1, depth + 1)
        elif isinstance(item, list):
            _row(draft, item, level, depth + 1)
        elif text := _scalar(item).strip():
            draft.add("list", f"- {text}")


def _row(draft: Draft, items: list[Value], level: int, depth: int) -> None:
    """A list in a list: a row of cells, where it is no more than that."""
    if any(isinstance(item, _Object | list) for item in items):
        if depth > _DEEPEST:
            raise Unreadable(f"too deep: nested more than {_DEEPEST} times")
        _records(draft, items, level, "", depth)
    else:
        draft.add("table", "; ".join(filter(None, map(_scalar, items))))


def _record(draft: Draft, record: _Object, level: int, depth: int) -> None:
    """A record under its title: its text as prose, then the rest of it."""
    texts = _texts(record)
    titled = _title_key(record)
    for key, value in texts:
        several = len(texts) > 1
        _prose(draft, key if several else "", value)
    keys = {key for key, _ in texts} | {titled}
    rest = [(key, value) for key, value in record.pairs if key not in keys]
    _object(draft, _Object(rest), level, depth)


def _prose(draft: Draft, key: str, text: str) -> None:
    """A long text, paragraph by paragraph."""
    for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        if part.strip():
            said = part.strip("\n").rstrip()
            draft.add("paragraph", f"{_words(key)}: {said.lstrip()}" if key else said)
            key = ""


def _plain(record: _Object) -> bool:
    """Whether a record holds nothing but short values, or such records."""
    todo: list[tuple[Value, int]] = [(record, 0)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, _Object):
            if depth > 2 or len(value.pairs) > 100:
                return False
            todo += [(inner, depth + 1) for _, inner in value.pairs]
        elif isinstance(value, list):
            if any(isinstance(item, _Object | list) for item in value):
                return False
            if sum(len(item) for item in value if isinstance(item, str)) > _LONG:
                return False
        elif isinstance(value, str) and (len(value) > _LONG or "\n" in value.strip()):
            return False
    return True


def _flat(record: _Object, above: str = "") -> Iterator[str]:
    """The values of a plain record, each with its path in front of it."""
    for key, value in record.pairs:
        path = f"{above} {key}" if above else key
        if isinstance(value, _Object):
            yield from _flat(value, path)
        else:
            items = value if isinstance(value, list) else [value]
            said = ", ".join(text for item in items if (text := _scalar(item).strip()))
            if said:
                yield f"{_words(path)}: {said}"


def _texts(record: _Object) -> list[tuple[str, str]]:
    """What is prose in a record, by the name of its key."""
    return [
        (key, value)
        for key, value in record.pairs
        if isinstance(value, str) and key.lower() in _TEXTS and value.strip()
    ]


def _title_key(record: _Object) -> str:
    """The key of what names a record; empty where nothing does."""
    found = {key.lower(): (key, value) for key, value in reversed(record.pairs)}
    for name in _TITLES:
        key, value = found.get(name, ("", None))
        if isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_TITLE:
            return key
    return ""


def _title(record: _Object) -> str:
    key = _title_key(record)
    return next((str(value) for name, value in record.pairs if name == key), "") if key else ""


def _said_title(record: _Object) -> str:
    """The title of a document, where the record has a text below it."""
    return _title(record) if _texts(record) else ""


def _id(record: _Object) -> str:
    found = {key.lower(): value for key, value in reversed(record.pairs)}
    for name in _IDS:
        value = found.get(name)
        if isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_TITLE:
            return value
    return ""


def _scalar(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""


def _words(key: str) -> str:
    """A key on one line, otherwise as it is written: it may be what is asked for."""
    return " ".join(key.split())
