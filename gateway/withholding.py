"""What tells a choice's words beside its text: log probabilities, and tokens by their numbers.

Where a guard holds text back, they come out no earlier than the words that they tell, and where it
changes text, those of what follows not at all. Which guard that is, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NUMBERS = "token_ids"  # vLLM's; which of them stands for which word they do not say
PROBABILITIES = "logprobs"
TELLING = (PROBABILITIES, NUMBERS)
OF_THE_PROMPT = ("prompt_logprobs", "prompt_token_ids")
"""vLLM's, at the top of an answer: they tell all that the model was given."""


class Withheld:
    """One choice's, from the first piece on."""

    __slots__ = ("_numbers", "_text", "_tokens", "_told", "changed", "dropped")

    def __init__(self) -> None:
        self.changed = False  # whether another text has come out than went in
        self.dropped: set[str] = set()  # what never came out for it
        self._text = ""  # that went in and has not come out
        self._told = bytearray()  # that has come out, less the tokens that have
        self._tokens: list[Any] = []
        self._numbers: list[Any] = []

    def given(self, text: str, extra: Mapping[str, Any]) -> Mapping[str, Any]:
        """A piece as it came; what of its `extra` tells no words."""
        if not self.changed:
            self._text += text
        if not extra or extra.keys().isdisjoint(TELLING):
            return extra
        left = {name: said for name, said in extra.items() if name not in TELLING}
        self._numbers += extra.get(NUMBERS) or ()
        probabilities = extra.get(PROBABILITIES)
        if isinstance(probabilities, Mapping):
            self._tokens += probabilities.get("content") or ()
            # A refusal is a field of its own, which is not judged.
            if others := {k: v for k, v in probabilities.items() if k != "content" and v}:
                left[PROBABILITIES] = others
        return left

    def told(self, text: str, *, last: bool) -> Mapping[str, Any]:
        """The judged text that comes out now, and what may be told of it; at the `last`, of all."""
        if not self.changed:
            self.changed = not self._text.startswith(text)
            self._text = self._text.removeprefix(text)
        if last:
            self.changed = self.changed or self._text != ""
        if not (self._tokens or self._numbers):
            return {}
        if self.changed:
            return self._drop()
        if last:
            return self._all()
        self._told += text.encode()
        return _probabilities(self._reached())

    def _reached(self) -> list[Any]:
        """The tokens whose bytes have come out: one that is something else waits for the end."""
        count = 0
        for token in self._tokens:
            written = _bytes(token)
            if written is None or not self._told.startswith(written):
                break
            del self._told[: len(written)]
            count += 1
        reached, self._tokens = self._tokens[:count], self._tokens[count:]
        return reached

    def _all(self) -> Mapping[str, Any]:
        numbers = {NUMBERS: self._numbers} if self._numbers else {}
        told = {**_probabilities(self._tokens), **numbers}
        self._tokens, self._numbers = [], []
        return told

    def _drop(self) -> Mapping[str, Any]:
        kinds = (PROBABILITIES, self._tokens), (NUMBERS, self._numbers)
        self.dropped.update(name for name, held in kinds if held)
        self._tokens, self._numbers = [], []
        return {}


def without(choice: dict[str, Any]) -> list[str]:
    """Take what tells a whole choice's words out of it; what there was."""
    there = [name for name in TELLING if choice.get(name)]
    for name in there:
        del choice[name]
    return there


def joined(extra: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tells no words, with what may be told of them now."""
    both = {**extra, **told}
    if PROBABILITIES in extra and PROBABILITIES in told:
        both[PROBABILITIES] = {**extra[PROBABILITIES], **told[PROBABILITIES]}
    return both


def _probabilities(tokens: list[Any]) -> Mapping[str, Any]:
    return {PROBABILITIES: {"content": tokens}} if tokens else {}


def _bytes(token: Any) -> bytes | None:
    """How a token is written; None where it does not say."""
    try:
        return bytes(token["bytes"]) if token.get("bytes") else str(token["token"]).encode()
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
