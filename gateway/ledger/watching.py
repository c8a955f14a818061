"""Keeps what was read from the ledger's database in memory as fresh as the tables are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

REFRESH = 0.5  # seconds between looks at the change counter

_log = logging.getLogger(__name__)


class Watching:
    """A thread that calls `refresh` again and again, so that nothing else waits for it."""

    def __init__(self, what: str, refresh: Callable[[], None]) -> None:
        self._what = what
        self._refresh = refresh
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, name=what, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop. Blocks for as long as one look takes."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep_fresh(self) -> None:
        failing = False
        while not self._stop.wait(REFRESH):
            try:
                self._refresh()
                failing = False
            except Exception:
                # Whatever it is, a thread that ended would never see that something was taken back.
                if not failing:
                    _log.exception("The %s cannot be read; the known ones stay", self._what)
                failing = True
