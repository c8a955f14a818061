"""News of breakers within this process."""

from __future__ import annotations

from gateway.breakers.sharing import Hear, News


class Board:
    """The latest of every deployment, and who wants to know."""

    def __init__(self) -> None:
        self.latest: dict[str, News] = {}
        self.listeners: list[Hear] = []


class MemoryExchange:
    """One of those around a board; the only one, where there is one gateway."""

    def __init__(self, hear: Hear, board: Board | None = None) -> None:
        self._hear = hear
        self._board = board or Board()
        self._board.listeners.append(hear)
        for news in self._board.latest.values():
            hear(news)

    def tell(self, news: News) -> None:
        """See Exchange."""
        self._board.latest[news.deployment] = news
        for hear in self._board.listeners:
            if hear is not self._hear:
                hear(news)

    async def refresh(self) -> None:
        """Everybody has heard already."""

    async def aclose(self) -> None:
        """See Exchange."""
        self._board.listeners.remove(self._hear)
