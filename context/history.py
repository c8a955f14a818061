"""A conversation as turns, and how much of it is kept. Knows no tokens of its own: cost comes in.

A turn is a user's message and all that follows it up to the next one, so that a tool's result is
never without its call. Instructions belong to no turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from context.types import Message

INSTRUCTING = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a client sent, apart: its instructions, the turns before the last, the last turn."""

    instructions: tuple[Message, ...]
    earlier: tuple[tuple[Message, ...], ...]
    last: tuple[Message, ...]


def conversation(messages: Sequence[Message]) -> Conversation:
    """Take a list of messages apart. Instructions are gathered from wherever they stand."""
    instructions = [each for each in messages if each.get("role") in INSTRUCTING]
    turns: list[list[Message]] = []
    for message in messages:
        role = message.get("role")
        if role in INSTRUCTING:
            continue
        if role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    *earlier, last = turns or [[]]
    return Conversation(tuple(instructions), tuple(map(tuple, earlier)), tuple(last))


@dataclass(frozen=True, slots=True)
class Kept:
    """The latest turns of a conversation, in their order, and what they cost."""

    messages: tuple[Message, ...] = ()
    tokens: int = 0
    turns: int = 0


def recent(
    turns: Sequence[tuple[Message, ...]], budget: int, cost: Callable[[Message], int]
) -> Kept:
    """The latest whole turns within the budget.

    It ends at the first turn that does not fit: a conversation with holes misleads.
    """
    kept: list[tuple[Message, ...]] = []
    spent = 0
    for turn in reversed(turns):
        price = sum(map(cost, turn))
        if spent + price > budget:
            break
        kept.append(turn)
        spent += price
    return Kept(tuple(message for turn in reversed(kept) for message in turn), spent, len(kept))
