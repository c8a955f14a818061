"""The form in which an answer is kept: written as bytes, and told again from them.

Knows nothing of when an answer may be given again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.streams import Choice, replay
from gateway.types import Answer, CacheState, Delta, Done, Reference, Step, Usage

FORMAT = 5
"""Of a kept answer; a new one misses what an older gateway has kept in a shared cache."""


def written(choices: Mapping[int, Choice], done: Done) -> bytes:
    """What is said of this answer, without what belongs to the request that it was given to."""
    usage = done.usage
    return orjson.dumps(
        {
            "choices": [
                (index, choice.text, choice.fields, choice.extra, choice.finish)
                for index, choice in sorted(choices.items())
            ],
            "usage": (
                usage.prompt,
                usage.completion,
                usage.cached,
                usage.reasoning,
                usage.estimated,
            ),
            "done": {
                "model": done.model,
                "route": done.route,
                "collection": done.collection,
                "grounding": done.grounding,
                "grounded": done.grounded,
                "faithfulness": done.faithfulness,
                "tokens": done.tokens,
                "long_document": done.long_document,
                "strategy": done.strategy,
                "fields": done.fields,
            },
            "sources": done.sources,
        }
    )


def told_again(
    value: bytes, state: CacheState, age: float, stream: bool, degraded: Step = ""
) -> Answer:
    """What was written, as the events of a new answer. It costs nothing: its tokens were paid
    for."""
    raw = orjson.loads(value)
    done = Done(
        usage=Usage(*raw["usage"]),
        sources=tuple(Reference(**each) for each in raw["sources"]),
        cache=state,
        degraded=degraded,
        age=age,
        **raw["done"],
    )
    pieces = _in_pieces if stream else _whole
    return Answer(
        replay([each for choice in raw["choices"] for each in pieces(*choice)], done), done
    )


def _whole(
    index: int, text: str, fields: dict[str, Any], extra: dict[str, Any], finish: str | None
) -> Iterator[Delta]:
    yield Delta(text, index, fields, extra, finish)


def _in_pieces(
    index: int, text: str, fields: dict[str, Any], extra: dict[str, Any], finish: str | None
) -> Iterator[Delta]:
    """In the order in which a model tells them: who speaks, what is thought, said and called."""
    calls = {name: fields.pop(name) for name in _CALLS if name in fields}
    yield Delta("", index, fields)
    if text or extra:
        yield Delta(text, index, {}, extra)
    if calls:
        yield Delta("", index, calls)
    yield Delta("", index, finish=finish)


_CALLS = ("tool_calls", "function_call")
