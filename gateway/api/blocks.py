"""An answer's pieces as a row of blocks: reasoning, text, a refusal, tool calls.

In OpenAI's chunks these grow side by side as fields; Responses and Messages tell them one after
another, each opened, filled and closed. Knows neither format; has no use for a second choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import orjson

from gateway.errors import ProviderError
from gateway.streams import Choice
from gateway.types import Delta

Kind: TypeAlias = Literal["reasoning", "text", "refusal", "tool"]


@dataclass(slots=True)
class Block:
    """One stretch of an answer, as far as it has been told."""

    kind: Kind
    index: int  # in the row
    id: str = ""  # of a tool call
    name: str = ""  # of the tool
    closed: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says; of a tool call the arguments, as JSON."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Opened:
    """A block begins."""

    block: Block


@dataclass(frozen=True, slots=True)
class Grown:
    """A block says more."""

    block: Block
    piece: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A block is whole."""

    block: Block


Step: TypeAlias = Opened | Grown | Closed


class Blocks:
    """Takes an answer's pieces and says which blocks they open, fill and close."""

    def __init__(self) -> None:
        self.all: list[Block] = []
        self.finish: str | None = None  # OpenAI's finish_reason
        self.matched: str | None = None  # the stop sequence, where the provider tells it
        self.logprobs: list[Any] = []  # of the text, as far as nobody has taken them
        self._open: Block | None = None
        self._calls: dict[int, Block] = {}

    def add(self, delta: Delta) -> Iterator[Step]:
        """What a piece of the first choice does. Raises ProviderError."""
        if delta.choice:
            return
        self.finish = delta.finish or self.finish
        if delta.extra:
            self._note(delta.extra)
        fields = delta.fields
        if fields and (thought := fields.get("reasoning_content") or fields.get("reasoning")):
            yield from self._grown("reasoning", thought)
        if delta.text:
            yield from self._grown("text", delta.text)
        if fields:
            if refusal := fields.get("refusal"):
                yield from self._grown("refusal", refusal)
            for call in fields.get("tool_calls") or ():
                yield from self._called(call)

    def whole(self, choice: Choice) -> None:
        """A whole choice at once."""
        for _ in self.add(Delta(choice.text, 0, choice.fields, choice.extra, choice.finish)):
            pass
        for _ in self.end():
            pass

    def end(self) -> Iterator[Step]:
        """Nothing more comes."""
        if self._open:
            self._open.closed = True
            yield Closed(self._open)
            self._open = None

    def taken_logprobs(self) -> list[Any]:
        """The logprobs that have come since they were last taken."""
        taken, self.logprobs = self.logprobs, []
        return taken

    def _note(self, extra: Mapping[str, Any]) -> None:
        told = extra.get("logprobs")
        if isinstance(told, dict):
            self.logprobs += told.get("content") or ()
        if isinstance(matched := extra.get("stop_reason"), str):  # vLLM says so
            self.matched = matched

    def _grown(self, kind: Kind, piece: Any) -> Iterator[Step]:
        if not isinstance(piece, str):
            return  # some providers send reasoning as objects of their own
        if self._open is None or self._open.kind != kind:
            yield from self.end()
            yield self._opened(Block(kind, len(self.all)))
        assert self._open
        self._open.pieces.append(piece)
        yield Grown(self._open, piece)

    def _called(self, call: Mapping[str, Any]) -> Iterator[Step]:
        function = call.get("function") or {}
        place = call.get("index")
        if not isinstance(place, int):  # then an id begins a call
            place = len(self._calls) - (0 if call.get("id") else 1)
        block = self._calls.get(place)
        if block is None:
            yield from self.end()
            block = self._calls[place] = Block(
                "tool",
                len(self.all),
                id=call.get("id") or f"call_{place}",
                name=function.get("name") or "",
            )
            yield self._opened(block)
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = orjson.dumps(arguments).decode()
        if not arguments:
            return
        if block.closed:
            raise ProviderError("The model tells several tool calls at once, piece by piece.")
        block.pieces.append(arguments)
        yield Grown(block, arguments)

    def _opened(self, block: Block) -> Opened:
        self.all.append(block)
        self._open = block
        return Opened(block)
