"""A response as the object that clients read: its output items, its status, its usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from context.citations import Link, url_citations
from gateway.api.blocks import Block, Blocks
from gateway.api.moorline import about
from gateway.api.responses.request import Turn
from gateway.errors import GatewayError
from gateway.types import Done, Usage

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""OpenAI's reasons why a choice has ended early, and how a response calls them."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a response from its beginning."""

    turn: Turn
    trace_id: str
    model: str

    @property
    def id(self) -> str:
        return f"resp_{self.trace_id}"

    def begun(self) -> dict[str, Any]:
        """The response before it says anything."""
        request = self.turn.request
        text = request.text.model_dump(exclude_none=True) if request.text else {}
        reasoning = request.reasoning.model_dump() if request.reasoning else {}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.turn.created_at,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "metadata": request.metadata or {},
            "model": self.model,
            "output": [],
            "parallel_tool_calls": request.parallel_tool_calls is not False,
            "previous_response_id": request.previous_response_id,
            "reasoning": {"effort": None, "summary": None} | reasoning,
            "store": self.turn.store,
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "text": {"format": {"type": "text"}} | text,
            "tool_choice": request.tool_choice or "auto",
            "tools": request.tools or [],
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "top_logprobs": request.top_logprobs or 0,
            "truncation": request.truncation or "disabled",
            "usage": None,
        }

    def ended(self, blocks: Blocks, items: Sequence[dict[str, Any]], done: Done) -> dict[str, Any]:
        """The whole response."""
        reason = INCOMPLETE.get(blocks.finish or "")
        return self.begun() | {
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "model": done.model,
            "output": list(items),
            "usage": usage(done.usage),
            "moorline": about(done, self.trace_id),
        }

    def whole(self, blocks: Blocks, done: Done) -> dict[str, Any]:
        """The whole response of blocks that are all there."""
        items = [
            item_whole(
                block,
                self.trace_id,
                done,
                blocks.logprobs if block.kind == "text" else (),
                blocks.finish if block is blocks.all[-1] else None,
            )
            for block in blocks.all
        ]
        return self.ended(blocks, items, done)

    def failed(self, items: Sequence[dict[str, Any]], error: GatewayError) -> dict[str, Any]:
        """What a response came to that broke off."""
        return self.begun() | {
            "status": "failed",
            "error": {"code": _failure(error), "message": error.message},
            "output": list(items),
        }


def _failure(error: GatewayError) -> str:
    """OpenAI has a short list of codes for a response; the event `error` has our own."""
    return "rate_limit_exceeded" if error.status == 429 else "server_error"


def item_id(block: Block, trace_id: str) -> str:
    """An item's name, the same when it begins and when it is whole."""
    prefix = {"reasoning": "rs", "tool": "fc"}.get(block.kind, "msg")
    return f"{prefix}_{trace_id}_{block.index}"


def item_begun(block: Block, trace_id: str) -> dict[str, Any]:
    """An item that says nothing yet."""
    head: dict[str, Any] = {"id": item_id(block, trace_id), "status": "in_progress"}
    match block.kind:
        case "reasoning":
            return head | {"type": "reasoning", "summary": [], "content": []}
        case "tool":
            call = {"type": "function_call", "call_id": block.id, "name": block.name}
            return head | call | {"arguments": ""}
    return head | {"type": "message", "role": "assistant", "content": []}


def item_whole(
    block: Block, trace_id: str, known: Done, logprobs: Sequence[Any], finish: str | None
) -> dict[str, Any]:
    """An item with all that it says; `finish` is why the answer has ended, if it has."""
    status = "incomplete" if finish in INCOMPLETE else "completed"
    item = item_begun(block, trace_id) | {"status": status}
    if block.kind == "tool":
        return item | {"arguments": block.text}
    return item | {"content": [_part(block, known, logprobs)]}


def part_begun(block: Block) -> dict[str, Any]:
    """The one part of an item with content, before it says anything."""
    match block.kind:
        case "reasoning":
            return {"type": "reasoning_text", "text": ""}
        case "refusal":
            return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _part(block: Block, known: Done, logprobs: Sequence[Any]) -> dict[str, Any]:
    part = part_begun(block)
    match block.kind:
        case "reasoning":
            return part | {"text": block.text}
        case "refusal":
            return part | {"refusal": block.text}
    return part | {
        "text": block.text,
        "annotations": citations_in(block.text, known),
        "logprobs": list(logprobs),
    }


def citations_in(text: str, known: Done) -> list[dict[str, Any]]:
    """Every marker `[n]` in the text; chat nests what Responses has flat."""
    if not known.sources:
        return []
    links = {each.n: Link(each.title, each.url) for each in known.sources}
    return [{"type": "url_citation", **note["url_citation"]} for note in url_citations(text, links)]


def usage(seen: Usage) -> dict[str, Any]:
    """Tokens in the shape of a response."""
    return {
        "input_tokens": seen.prompt,
        "input_tokens_details": {"cached_tokens": seen.cached, "cache_write_tokens": 0},
        "output_tokens": seen.completion,
        "output_tokens_details": {"reasoning_tokens": seen.reasoning},
        "total_tokens": seen.total,
    }
