"""Who is signed in to the dashboard: random session ids in this process's memory.

A session names a key by its public id and holds nothing else of it; whether the key is still good
is asked of the accounts at every request. A restart signs everybody out.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

LASTS = 12 * 3600  # seconds
MOST = 1000  # a browser that forgets its cookie must not fill the memory


@dataclass(frozen=True, slots=True)
class Session:
    """A key's id, and when it has to be shown again."""

    key: str
    expires_at: float


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By the id's hash: how long a look-up takes then says nothing about the ids themselves.
        self._sessions: dict[bytes, Session] = {}

    def begin(self, key: str) -> str:
        """The id of a new session of the key with this public id."""
        self._sweep()
        session_id = secrets.token_urlsafe(32)
        self._sessions[_hash(session_id)] = Session(key, self._clock() + LASTS)
        return session_id

    def key(self, session_id: str) -> str | None:
        """The public id of the key that the session was begun with, while it lasts."""
        session = self._sessions.get(_hash(session_id))
        if session is None or session.expires_at <= self._clock():
            return None
        return session.key

    def end(self, session_id: str) -> None:
        self._sessions.pop(_hash(session_id), None)

    def _sweep(self) -> None:
        now = self._clock()
        for each in [h for h, s in self._sessions.items() if s.expires_at <= now]:
            del self._sessions[each]
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]  # the oldest


def _hash(session_id: str) -> bytes:
    return sha256(session_id.encode("utf-8", "surrogateescape")).digest()
