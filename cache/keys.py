"""What must be equal for an answer to be given again, as short digests.

Takes plain values and knows none of their meanings but those of JSON and of a chat's messages.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Container, Mapping, Sequence
from typing import Any

import orjson

from cache.types import Scope

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_SIZE = 20  # bytes: collisions are out of reach, keys stay short
_EXACT = 2**53  # below it every whole number is one and the same as a float
LONGEST_QUESTION = 1_000
"""Characters of a question that are kept beside its answer; a longer one is not compared."""
_LONG = 20_000  # characters that are not worth putting into a normal form
_CODE = ("`", "\t", "\n ", '"', "{")
"""What a text has in which every character may matter: code, or a quotation."""


def digest(value: Any) -> str:
    """The same for equal JSON, whatever the order of its keys."""
    written = orjson.dumps(value, default=repr, option=_OPTIONS)
    return hashlib.blake2b(written, digest_size=_SIZE).hexdigest()


def settled(params: Mapping[str, Any], unrelated: Container[str] = ()) -> dict[str, Any]:
    """Parameters as they are compared, without the unrelated ones: what is null was not given, and
    0.0 is 0."""
    return {
        name: int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
        else value
        for name, value in params.items()
        if value is not None and name not in unrelated
    }


def scope(
    shared: Sequence[Any],
    messages: Sequence[Mapping[str, Any]],
    *,
    similar: bool = True,
    prose: bool = True,
) -> Scope:
    """The scope of a request.

    `shared` is all that must be equal besides the conversation: who may see the answer, the models
    that may give it, parameters, collection, grounding, filter and policy. Of the conversation only
    the last message's text may be merely similar, and only a user's: an image beside it, or a
    tool's result, has to be equal. Where no `similar` question is looked for, one digest is enough.
    `prose` says that the last text is a question, and not one whose very end matters.
    """
    *earlier, last = map(_plain, messages) if messages else [{}]
    if prose and last.get("role") == "user":
        content = last.get("content")
        if (question := _question(content)) is not content:
            last = {**last, "content": question}
    if not similar:
        return Scope(exact=digest([list(shared), earlier, last]), similar="")
    alike = digest([list(shared), earlier, {**last, "content": _beside_text(last)}])
    return Scope(exact=digest([alike, last.get("content")]), similar=alike)


def cacheable(params: Mapping[str, Any], max_temperature: float) -> bool:
    """Whether a request's own parameters leave its answer fit to be given again.

    A high temperature, or several choices, ask for variety.
    """
    temperature = params.get("temperature")
    return (temperature is None or temperature <= max_temperature) and params.get("n") in (None, 1)


def _plain(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message whose null fields are left out, and a lone part of text is the text."""
    if isinstance(message.get("content"), str) and None not in message.values():
        return message
    plain = {name: value for name, value in message.items() if value is not None}
    match plain.get("content"):
        case [{"type": "text", "text": str(text), **others}] if not others:
            plain["content"] = text
    return plain


def _question(content: Any) -> Any:
    """A question in one of the ways in which the same characters can be written, without the blanks
    behind it. What may hold code, or is no question for its length, stays as it is."""
    if not isinstance(content, str) or (content.isascii() and not content[-1:].isspace()):
        return content  # as nearly all are: there is only one way
    if len(content) > _LONG or any(map(content.__contains__, _CODE)):
        return content
    return unicodedata.normalize("NFC", content).rstrip()


def _beside_text(message: Mapping[str, Any]) -> Any:
    """A message's content without what a user wrote."""
    content = message.get("content")
    if message.get("role") != "user":
        return content
    if not isinstance(content, list):
        return None
    return [p for p in content if not (isinstance(p, Mapping) and p.get("type") == "text")]
