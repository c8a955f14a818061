"""What must be equal for an answer to be given again, as short digests.

Takes plain values and knows none of their meanings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from cache.types import Scope

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_SIZE = 20  # bytes: collisions are out of reach, keys stay short


def digest(value: Any) -> str:
    """The same for equal JSON, whatever the order of its keys."""
    return hashlib.blake2b(orjson.dumps(value, option=_OPTIONS), digest_size=_SIZE).hexdigest()


def scope(
    shared: Sequence[Any], messages: Sequence[Mapping[str, Any]], *, similar: bool = True
) -> Scope:
    """The scope of a request.

    `shared` is all that must be equal besides the conversation: who may see the answer, the models
    that may give it, parameters, collection, generation, grounding, filter and policy. Of the
    conversation only the last message's text may be merely similar, and only a user's: an image
    beside it, or a tool's result, has to be equal. Where no `similar` question is looked for, one
    digest is enough.
    """
    if not similar:
        return Scope(exact=digest([list(shared), list(messages)]), similar="")
    *earlier, last = messages or [{}]
    alike = digest([list(shared), earlier, {**last, "content": _beside_text(last)}])
    return Scope(exact=digest([alike, last.get("content")]), similar=alike)


def cacheable(params: Mapping[str, Any], max_temperature: float) -> bool:
    """Whether a request's own parameters leave its answer fit to be given again.

    A high temperature, or several choices, ask for variety.
    """
    temperature = params.get("temperature")
    return (temperature is None or temperature <= max_temperature) and params.get("n") in (None, 1)


def _beside_text(message: Mapping[str, Any]) -> Any:
    """A message's content without what a user wrote."""
    content = message.get("content")
    if message.get("role") != "user":
        return content
    if not isinstance(content, list):
        return None
    return [p for p in content if not (isinstance(p, Mapping) and p.get("type") == "text")]
