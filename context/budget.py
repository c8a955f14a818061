"""A window shared out: how much each part of a prompt may take. Plain arithmetic over tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from context.config import ContextConfig


@dataclass(frozen=True, slots=True)
class Budget:
    """What of a window is kept, and so what is left for the messages."""

    window: int
    answer: int  # kept for it
    margin: int  # left empty
    beside: int  # what goes along with the messages: tools, and the form asked for

    @property
    def room(self) -> int:
        """Tokens that the messages may have; below zero where there is none."""
        return self.window - self.answer - self.margin - self.beside

    @classmethod
    def of(
        cls, window: int, answer: int | None, beside: int, error: float, config: ContextConfig
    ) -> Budget:
        """The budget of one prompt. `error` is the counts': so much more there may be of them."""
        kept = math.ceil(window * config.answer) if answer is None else answer
        counted = max(0, window - kept)
        unsure = counted - math.floor(counted / (1 + error))
        return cls(window, kept, max(math.floor(window * config.margin), unsure), beside)


def shared_out(
    room: int, wanted: Mapping[str, int], shares: Mapping[str, float]
) -> Mapping[str, int]:
    """How much of the room each part gets: what it wants, or by its share.

    What one part leaves of its share goes to those that want more, again by their shares."""
    given = dict.fromkeys(wanted, 0)
    hungry = [part for part in wanted if wanted[part] > 0]
    left = max(0, room)
    while hungry and left > 0:
        whole = sum(shares[part] for part in hungry)
        fair = {
            part: math.floor(left * (shares[part] / whole if whole else 1 / len(hungry)))
            for part in hungry
        }
        sated = [part for part in hungry if wanted[part] <= fair[part]]
        if not sated:
            return {**given, **fair}
        for part in sated:
            given[part] = wanted[part]
            left -= wanted[part]
        hungry = [part for part in hungry if part not in sated]
    return given
