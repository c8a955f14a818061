"""A streamed response: an answer's pieces as the events of the Responses API, numbered in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.api.blocks import Block, Blocks, Closed, Grown, Opened, Step
from gateway.api.moorline import comment
from gateway.api.responses.output import Head, item_begun, item_id, item_whole, part_begun
from gateway.api.responses.request import Turn
from gateway.errors import GatewayError
from gateway.types import Delta, Done, Event, Progress

GROWS = {
    "text": "response.output_text",
    "reasoning": "response.reasoning_text",
    "refusal": "response.refusal",
    "tool": "response.function_call_arguments",
}
NOTED = "response.output_text.annotation.added"


class Telling:
    """One streamed response."""

    def __init__(self, turn: Turn, known: Done, trace_id: str) -> None:
        self._head = Head(turn, trace_id, known.model)
        self._known = known  # with the sources that a text may cite
        self._blocks = Blocks()
        self._items: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []  # of the text that is open
        self._number = 0  # of the next event

    def delta(self, event: Event) -> bytes:
        """See gateway.api.door."""
        assert isinstance(event, Delta)  # nothing else is told to who does not ask for it
        opening = b"" if self._number else self._begun()
        return opening + b"".join(map(self._told, self._blocks.add(event)))

    def progress(self, progress: Progress) -> bytes:
        """See gateway.api.door."""
        return comment(progress)

    def done(self, done: Done) -> Iterator[bytes]:
        """The last item's end, then the whole response."""
        if not self._number:
            yield self._begun()
        for step in self._blocks.end():
            yield self._told(step)
        response = self._head.ended(self._blocks, self._items, done)
        yield self._event(f"response.{response['status']}", response=response)

    def error(self, error: GatewayError) -> bytes:
        """The response has failed, and an event of which the official clients make an error."""
        failed = self._event("response.failed", response=self._head.failed(self._items, error))
        told = error.body()["error"]
        flat = {key: told[key] for key in ("code", "message", "param")}
        return failed + self._event("error", **flat, error=told)

    def _begun(self) -> bytes:
        response = self._head.begun()
        created = self._event("response.created", response=response)
        return created + self._event("response.in_progress", response=response)

    def _told(self, step: Step) -> bytes:
        match step:
            case Grown(block, piece):
                return self._grown(block, piece)
            case Opened(block):
                return self._opened(block)
            case Closed(block):
                return self._closed(block)

    def _opened(self, block: Block) -> bytes:
        self._logprobs = []
        item = item_begun(block, self._head.trace_id)
        added = self._event("response.output_item.added", output_index=block.index, item=item)
        if block.kind == "tool":
            return added
        return added + self._about(block, "response.content_part.added", part=part_begun(block))

    def _grown(self, block: Block, piece: str) -> bytes:
        name = GROWS[block.kind] + ".delta"
        if block.kind != "text":
            return self._about(block, name, delta=piece)
        logprobs = self._blocks.taken_logprobs()
        self._logprobs += logprobs
        return self._about(block, name, delta=piece, logprobs=logprobs)

    def _closed(self, block: Block) -> bytes:
        if block.kind == "text":
            self._logprobs += self._blocks.taken_logprobs()
        item = item_whole(
            block, self._head.trace_id, self._known, self._logprobs, self._blocks.finish
        )
        self._items.append(item)
        told = (
            self._called(block) if block.kind == "tool" else self._said(block, item["content"][0])
        )
        return told + self._event("response.output_item.done", output_index=block.index, item=item)

    def _called(self, block: Block) -> bytes:
        kind = GROWS[block.kind] + ".done"
        return self._about(block, kind, name=block.name, arguments=block.text)

    def _said(self, block: Block, part: dict[str, Any]) -> bytes:
        told = [
            self._about(block, NOTED, annotation_index=place, annotation=note)
            for place, note in enumerate(part.get("annotations", ()))
        ]
        said = {key: part[key] for key in ("text", "refusal", "logprobs") if key in part}
        told.append(self._about(block, GROWS[block.kind] + ".done", **said))
        told.append(self._about(block, "response.content_part.done", part=part))
        return b"".join(told)

    def _about(self, block: Block, kind: str, **fields: Any) -> bytes:
        """An event of one item; all but calls of tools have their one part in it."""
        place = {} if block.kind == "tool" else {"content_index": 0}
        name = item_id(block, self._head.trace_id)
        return self._event(kind, item_id=name, output_index=block.index, **place, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
