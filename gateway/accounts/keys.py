"""Who is calling: from an Authorization header to a Caller, without touching the database.

The keys are held in memory as one dictionary by hash, which a thread replaces when the table's
change counter moves. Looking a key up is the same work whether it exists or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.accounts.config import LimitsConfig
from gateway.accounts.store import KeyStore, fingerprint
from gateway.accounts.types import Key
from gateway.errors import Unauthorized
from gateway.ledger.database import Database
from gateway.ledger.watching import Watching
from gateway.types import LOCAL, Caller


@dataclass(frozen=True, slots=True)
class _Entry:
    caller: Caller
    expires_at: float  # infinity where it does not expire
    revoked: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys at one version of the table."""

    version: int = -1
    by_hash: Mapping[bytes, _Entry] = field(default_factory=dict)
    by_id: Mapping[str, _Entry] = field(default_factory=dict)


class Accounts:
    """Knows all keys. `start` keeps them fresh from a thread, so that nothing waits for it."""

    def __init__(
        self,
        database: Database,
        defaults: LimitsConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = KeyStore(database, clock)
        self._defaults = defaults or LimitsConfig()
        self._clock = clock
        self._known = _Known()
        self.operator = ""
        """An Authorization header that names the local administrator: that of a command on this
        machine which can read the running gateway's token (gateway/control.py)."""
        self._local = _limited(Caller(key=LOCAL, name=LOCAL, admin=True), self._defaults)
        self._watching = Watching("keys", self.refresh)
        self.refresh()

    def identify(self, authorization: str | None) -> Caller:
        """Whoever holds the key in the header. Raises Unauthorized, which never shows the key.

        While no key was ever made everyone is the local administrator; revoking the last key
        does not open the door again.
        """
        by_hash = self._known.by_hash
        if not by_hash:
            return self._local
        if self.operator and authorization == self.operator:
            return self._local
        if authorization is None:
            raise Unauthorized(
                "You didn't provide an API key. Send it as `Authorization: Bearer sk-moor-…`."
            )
        scheme, _, secret = authorization.partition(" ")
        entry = by_hash.get(fingerprint(secret.strip()))
        if entry is None or scheme.lower() != "bearer":
            raise Unauthorized("Incorrect API key provided. `moorline keys create` makes one.")
        if entry.revoked:
            raise Unauthorized("This API key has been revoked.")
        if entry.expires_at <= self._clock():
            raise Unauthorized("This API key has expired.")
        return entry.caller

    def holder(self, key: str) -> Caller | None:
        """Whoever holds the key with this public id; None unless it is good."""
        entry = self._known.by_id.get(key)
        if entry is None or entry.revoked or entry.expires_at <= self._clock():
            return None
        return entry.caller

    def any(self) -> bool:
        """Whether a key was ever made, so that callers need one."""
        return bool(self._known.by_hash)

    def refresh(self) -> None:
        """Read the keys again if they have changed. Blocks."""
        version = self.store.version()  # read first: a change meanwhile is then seen next time
        if version != self._known.version:
            entries = {key.hash: self._entry(key) for key in self.store.all()}
            by_id = {entry.caller.key: entry for entry in entries.values()}
            self._known = _Known(version, entries, by_id)

    def start(self) -> None:
        self._watching.start()

    def close(self) -> None:
        """Stop refreshing. Blocks for as long as one look takes."""
        self._watching.close()

    def _entry(self, key: Key) -> _Entry:
        caller = Caller(
            key=key.id,
            name=key.name,
            team=key.team,
            groups=key.groups,
            admin=key.admin,
            collection=key.collection,
            collections=key.collections,
            models=key.models,
            region=key.region,
            requests_per_minute=key.requests_per_minute,
            tokens_per_minute=key.tokens_per_minute,
            budget_usd=key.budget_usd,
        )
        return _Entry(
            caller=_limited(caller, self._defaults),
            expires_at=float("inf") if key.expires_at is None else key.expires_at,
            revoked=key.revoked_at is not None,
        )


def _limited(caller: Caller, defaults: LimitsConfig) -> Caller:
    """The caller with the configured limits where it has none of its own."""
    names = ("requests_per_minute", "tokens_per_minute", "budget_usd")
    missing = {name: getattr(defaults, name) for name in names if getattr(caller, name) is None}
    return replace(caller, **missing)
