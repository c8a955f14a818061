"""Views of a fleet shared within this process."""

from __future__ import annotations

from gateway.fleet.sharing import Doing, Hearer


class Board:
    """Everybody who hears."""

    def __init__(self) -> None:
        self.hearers: dict[str, Hearer] = {}
        self.came = 0


class MemoryExchange:
    """One of those around a board; the only one, where there is one gateway."""

    def __init__(self, hearer: Hearer, board: Board | None = None) -> None:
        self._board = board or Board()
        self._board.came += 1
        self._name = str(self._board.came)
        for name, other in self._board.hearers.items():
            hearer.heard_whole(name, other.whole())
        self._board.hearers[self._name] = hearer

    def tell(self, doing: Doing) -> None:
        """See Exchange."""
        if len(self._board.hearers) > 1:
            for hearer in self._others():
                hearer.heard(self._name, (doing,))

    async def aclose(self) -> None:
        """See Exchange."""
        if self._board.hearers.pop(self._name, None):
            for hearer in self._others():
                hearer.gone(self._name)

    def _others(self) -> list[Hearer]:
        return [hearer for name, hearer in self._board.hearers.items() if name != self._name]
