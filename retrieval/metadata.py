"""What is said of a document beside its text: the keys that have a meaning, checked and made one.

It comes from the document's own head, a file beside it, the command line or an API; all of it
means the same. It knows none of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from retrieval.types import Metadata, RetrievalError, Scalar

_MOST_KEYS = 64
_MOST_ENTRIES = 256
_LONGEST_TEXT = 2_000
_MOST_OWN = 16_000
"""Characters of all that a document says of itself: it is stored with each of its passages."""
AGES = 1e15
"""Seconds: before the beginning and after the end of all that is ever valid."""
_KEY = re.compile(r"[^\W\d][\w.-]{0,63}")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?")
_YEARS = range(1000, 10_000)
"""As seconds since 1970 they would all lie in its first hours, and nobody means those."""
_LANGUAGE = re.compile(r"([a-z]{2})(?:[-_].*)?", re.IGNORECASE)

Value = Scalar | list[str]


class BadMetadata(RetrievalError):
    """A value is not what its key calls for; the message names the key."""


def checked(raw: Mapping[str, object]) -> dict[str, Value]:
    """Metadata as it is stored. Raises BadMetadata."""
    if len(raw) > _MOST_KEYS:
        raise BadMetadata(f"more than {_MOST_KEYS} keys")
    given = {spelled(key): value for key, value in raw.items() if value is not None}
    found = {key: _value(key, value) for key, value in given.items()}
    begin, end = found.get("valid_from"), found.get("valid_until")
    if isinstance(begin, float) and isinstance(end, float) and begin >= end:
        raise BadMetadata("valid_from is not before valid_until")
    return found


def own(raw: Metadata, foreign: bool = False) -> dict[str, Value]:
    """What a document says of itself, where nobody meant it for us: too much is cut, and what is no
    metadata goes. A foreign one, which anybody may have written, cannot hide others.

    Who may see it has to be understood, so a bad value there raises BadMetadata."""
    found: dict[str, Value] = {}
    said = sorted(((spelled(name), value) for name, value in raw.items()), key=_rank)
    left = _MOST_OWN
    for key, value in said:
        if (foreign and key == "supersedes") or (len(found) == _MOST_KEYS and key not in found):
            continue
        try:
            kept = _value(key, value if key in _WHOLE else _cut(value))
        except BadMetadata:
            if key in _ACCESS:
                raise
            continue
        size = len(kept) if isinstance(kept, str) else sum(map(len, _texts(kept)))
        if size <= left or key in _ACCESS:
            found[key] = kept
            left -= size
    return found


def _rank(said: tuple[str, object]) -> int:
    """Who may see it comes first, then what else has a meaning: neither is lost to other keys."""
    return 0 if said[0] in _ACCESS else 1 if said[0] in _KEYS else 2


def _cut(value: Scalar | Sequence[str]) -> Scalar | list[str]:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, int | float):
        return value
    return [each[:_LONGEST_TEXT] for each in value[:_MOST_ENTRIES]]


def _texts(value: Value) -> list[str]:
    return value if isinstance(value, list) else []


def given(pairs: Sequence[str]) -> dict[str, Value]:
    """`key=value` as a command line has them; a key that comes twice is a list.

    Raises BadMetadata."""
    values: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadMetadata(f"{pair!r} is not key=value")
        values.setdefault(key.strip(), []).append(value.strip())
    return checked({key: _plain(key, found) for key, found in values.items()})


def _plain(key: str, values: list[str]) -> object:
    """What a value without quotes means where its key does not say."""
    if len(values) > 1:
        return values
    (text,) = values
    if spelled(key) in _KEYS:
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def spelled(key: str) -> str:
    """A key with a meaning as we spell it (`Valid-Until`); any other as it is."""
    plain = re.sub(r"[-\s]+", "_", key.strip().lower())
    return plain if plain in _KEYS else key


def _value(key: str, value: object) -> Value:
    if key in _KEYS:
        return _KEYS[key](key, value)
    if not _KEY.fullmatch(key) or key == "document":
        raise BadMetadata(f"{key!r} is no name for a key")
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _list(key, value) if isinstance(value, list | tuple) else _text(key, value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadMetadata(f"{key} is no text")
    if len(value) > _LONGEST_TEXT:
        raise BadMetadata(f"{key} is longer than {_LONGEST_TEXT:,} characters")
    if not _carried(value):
        raise BadMetadata(f"{key} is not UTF-8")
    return " ".join(value.split())


def _carried(value: str) -> bool:
    try:
        return bool(value.encode())
    except UnicodeEncodeError:
        return False


def _list(key: str, value: object) -> list[str]:
    """Several texts: a list, or one text with commas."""
    parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise BadMetadata(f"{key} is no list of texts")
    if not parts and key == "groups":
        raise BadMetadata("groups is empty: leave it out where everybody may see the document")
    if len(parts) > _MOST_ENTRIES:
        raise BadMetadata(f"{key} has more than {_MOST_ENTRIES} entries")
    return list(dict.fromkeys(_text(key, part) for part in parts))


def _language(key: str, value: object) -> str:
    match = _LANGUAGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadMetadata(f"{key} is no code of two letters")
    return match[1].lower()


def _begin(key: str, value: object) -> float:
    return _moment(key, value, whole_day=False)


def _end(key: str, value: object) -> float:
    """Until a day, or a year, is until that has ended."""
    return _moment(key, value, whole_day=True)


def _moment(key: str, value: object, whole_day: bool) -> float:
    """Seconds since 1970; where no zone is said, in UTC."""
    try:
        found = _dated(value) if isinstance(value, str) else value
        if isinstance(found, int) and found in _YEARS:
            found = date(found, 12, 31) if whole_day else date(found, 1, 1)
        if isinstance(found, int | float) and not isinstance(found, bool) and -AGES < found < AGES:
            return float(found)
        if isinstance(found, datetime):
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        if isinstance(found, date):
            start = datetime.combine(found, time(), UTC)
            return (start + timedelta(days=whole_day)).timestamp()
    except (ValueError, OverflowError):
        pass  # said below, as for everything else that is no date
    raise BadMetadata(f"{key} is no date: write 2026-03-31, or seconds since 1970")


def _dated(text: str) -> datetime | date | float:
    text = text.strip()
    if re.fullmatch(r"[1-9]\d{3}", text):
        return int(text)
    if re.fullmatch(r"-?\d{5,}(\.\d*)?", text):
        return float(text)
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


_ACCESS = {"tenant", "groups", "valid_from", "valid_until"}
_WHOLE = _ACCESS | {"url"}
"""Of which a part would mean something else."""
_KEYS: Mapping[str, Callable[[str, object], Value]] = {
    "title": _text,
    "tenant": _text,
    "url": _text,
    "groups": _list,
    "tags": _list,
    "supersedes": _list,
    "language": _language,
    "valid_from": _begin,
    "valid_until": _end,
}
