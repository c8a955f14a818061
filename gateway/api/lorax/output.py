"""What LoRAX's clients read: an answer with its tokens, its events, and its errors.

Providers tell tokens only where they are asked for alternatives, and those of an answer that a
guard has changed are not told. Otherwise a piece of a stream stands for a token, and of a whole
answer all of it for one, with the number 0 and the log probability 0.0, which clients want to be
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from gateway.api.lorax.request import Generate
from gateway.errors import GatewayError
from gateway.streams import Choice
from gateway.types import Delta, Done, Event, Progress

KINDS = {
    401: "authentication",
    403: "permission",
    404: "not_found",
    408: "timeout",
    429: "overloaded",
    504: "timeout",
}
"""LoRAX's kinds of error by status, and ours where it has none: its client then goes by the
status."""


def generated(asked: Generate, choice: Choice, done: Done) -> dict[str, Any]:
    """A whole answer."""
    answer: dict[str, Any] = {"generated_text": asked.begins + choice.text}
    if asked.details:
        tokens = list(_tokens(choice.text, choice.extra))
        answer["details"] = {**_ended(asked, choice, done), "prefill": [], "tokens": tokens}
    return answer


class Telling:
    """One streamed answer: an event for each token, the last with the whole text."""

    def __init__(self, asked: Generate) -> None:
        self._asked = asked
        self._choice = Choice()

    def delta(self, event: Event) -> bytes:
        """See gateway.api.door."""
        assert isinstance(event, Delta)  # nothing else is told to who does not ask for it
        self._choice.text += event.text
        self._choice.extra.update(event.extra)
        self._choice.finish = event.finish or self._choice.finish
        return _event(_token(event.text)) if event.text else b""

    def progress(self, progress: Progress) -> bytes:
        """Nothing: LoRAX has no such events, and its clients know no comments."""
        return b""

    def done(self, done: Done) -> Iterable[bytes]:
        """No [DONE] follows it."""
        details = _ended(self._asked, self._choice, done) if self._asked.details else None
        yield _event(_token("", special=True), self._asked.begins + self._choice.text, details)

    def error(self, error: GatewayError) -> bytes:
        """See gateway.api.door."""
        return b"data:" + error_body(error) + b"\n\n"


def error_body(error: GatewayError) -> bytes:
    """A failure in LoRAX's shape."""
    kind = KINDS.get(error.status) or ("validation" if error.status < 500 else "generation")
    return orjson.dumps({"error": error.message, "error_type": kind})


def _event(
    token: Mapping[str, Any], text: str | None = None, details: Mapping[str, Any] | None = None
) -> bytes:
    event = {"token": token, "generated_text": text, "details": details}
    return b"data:" + orjson.dumps(event) + b"\n\n"


def _tokens(text: str, extra: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    known = (extra.get("logprobs") or {}).get("content") or ()
    if "".join(each["token"] for each in known) != text or not known:
        yield _token(text)
        return
    for each in known:
        others = [
            {"id": 0, "text": other["token"], "logprob": other["logprob"]}
            for other in each.get("top_logprobs") or ()
        ]
        yield _token(each["token"], each["logprob"]) | {"alternative_tokens": others}


def _token(text: str, logprob: float = 0.0, special: bool = False) -> dict[str, Any]:
    return {"id": 0, "text": text, "logprob": logprob, "special": special, "skipped": False}


def _ended(asked: Generate, choice: Choice, done: Done) -> dict[str, Any]:
    return {
        "finish_reason": _reason(choice),
        "prompt_tokens": done.usage.prompt,
        "generated_tokens": done.usage.completion,
        "skipped_tokens": 0,
        "seed": asked.seed,
    }


def _reason(choice: Choice) -> str:
    """One of the three that clients know. Only vLLM tells which stop sequence has ended it."""
    if choice.finish == "length":
        return "length"
    return "stop_sequence" if isinstance(choice.extra.get("stop_reason"), str) else "eos_token"
