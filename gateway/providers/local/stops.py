"""A text told in pieces up to a string that stops it, which is never told."""

from __future__ import annotations

from collections.abc import Sequence


class UntilStop:
    """What may be the beginning of a stop string is held back until it is known."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found = False

    def add(self, piece: str) -> str:
        """What of all that was added may be told now; nothing any more once one was found."""
        if self.found:
            return ""
        text = self._held + piece
        places = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return text[: min(places)]
        kept = self._open(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def end(self) -> str:
        """What was held back for nothing."""
        held, self._held = self._held, ""
        return held

    def _open(self, text: str) -> int:
        """How many of the last characters may begin a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0
