"""The turns that no longer fit, summed up by a model and quoted in their place.

A summary stands for a conversation's beginning and is kept in this process, so that it is paid once
for several turns: when one is made, half of the turns that would still fit go into it too, and a
later one goes on from it. It is told to the model as quoted material, never as an instruction.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import orjson

from context.config import SummaryModel
from context.history import conversation
from context.prompts.template import Template
from context.quoting import quoted
from context.types import Message, Summary
from gateway.asides import Aside, Asides, Spend, Unsaid, patience
from gateway.messages import text_of
from gateway.tracing.trace import Trace
from gateway.types import Ask, Caller, Spent

KEPT = 2_048  # summaries
SHOWN = 24_000  # characters of a conversation that are read for one
LONGEST_TOKEN = 6  # characters: what a model writes beyond its bound is cut


class Recaps:
    """Sums up what prompts have to leave out."""

    def __init__(self, config: SummaryModel, asides: Asides, told: Template) -> None:
        asides.check("context.summarise.model", config.model)
        self._config = config
        self._asides = asides
        self._told = told
        self._kept: OrderedDict[bytes, str] = OrderedDict()

    @property
    def most(self) -> Spent:
        """What one call may use, near enough to be reserved."""
        longest = [({"role": "user", "content": "?" * SHOWN},)]
        return Spent(self._config.model, self._aside(None, longest, self._config.time_ms).most)

    async def of(
        self, caller: Caller, ask: Ask, left_out: int, trace: Trace, spend: Spend
    ) -> Summary | None:
        """What stands for at least the first `left_out` turns; None where it cannot be had."""
        turns = conversation(ask.messages).earlier
        digests = _digests(caller, turns)
        for place in range(left_out, len(turns) + 1):
            if text := self._known(digests[place]):
                return Summary(text, place)
        end = left_out + math.ceil((len(turns) - left_out) / 2)
        begin = next((at for at in range(end, 0, -1) if self._known(digests[at])), 0)
        before = self._known(digests[begin])
        time_ms = patience(self._config.time_ms, ask.deadline, trace)
        aside = self._aside(before, turns[begin:end], time_ms)
        with trace.span("summarise") as span:
            span.set(instructions=self._told.id, turns=end, read=end - begin)
            try:
                aside = replace(aside, within=ask.within)
                said = (await self._asides.said(aside, span, spend)).strip()
                if not said:
                    raise Unsaid(f"{self._config.model} wrote nothing")
            except Unsaid as error:
                span.set(notes=[f"{error}: the oldest turns are left out."])
                return None
            text = said[: self._config.max_tokens * LONGEST_TOKEN]
            span.set(summary=text)
        self._keep(digests[end], text)
        return Summary(text, end)

    def _aside(
        self, before: str | None, turns: Sequence[Sequence[Message]], time_ms: float
    ) -> Aside:
        head = [f"summary of earlier turns: {before}"] if before else []
        said = [f"{each.get('role')}: {_said(each)}" for turn in turns for each in turn]
        longest = _longest([len(each) + 1 for each in said], SHOWN - sum(map(len, head)))
        text = "\n".join([*head, *(each[:longest] for each in said)])
        return Aside(
            self._config.model,
            self._told.render(),
            quoted("conversation", text),
            self._config.max_tokens,
            time_ms,
        )

    def _known(self, digest: bytes) -> str | None:
        text = self._kept.get(digest)
        if text is not None:
            self._kept.move_to_end(digest)
        return text

    def _keep(self, digest: bytes, text: str) -> None:
        self._kept[digest] = text
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _said(message: Message) -> str:
    text = text_of(message.get("content"))
    calls = message.get("tool_calls")
    return f"{text} {orjson.dumps(calls).decode()}" if calls else text


def _longest(sizes: Sequence[int], room: int) -> int:
    """To how many characters each message is cut, so that all are read and short ones whole."""
    for place, size in enumerate(sorted(sizes)):
        share = max(room, 0) // (len(sizes) - place)
        if size > share:
            return max(share - 1, 0)
        room -= size
    return SHOWN


def _digests(caller: Caller, turns: Sequence[Sequence[Message]]) -> list[bytes]:
    """Of each beginning of a conversation, the empty one first; one team's are not another's."""
    running = hashlib.sha256(orjson.dumps([caller.team, caller.key]))
    digests = [running.digest()]
    for turn in turns:
        running.update(orjson.dumps(turn, option=orjson.OPT_SORT_KEYS))
        digests.append(running.digest())
    return digests
