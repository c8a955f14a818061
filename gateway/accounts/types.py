"""A key as it is kept, and as it is handed out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key. The secret itself is nowhere: only its hash is stored."""

    id: str  # public: k_…
    name: str
    team: str
    hash: bytes  # sha256 of the secret
    created_at: float
    groups: tuple[str, ...] = ()  # whose documents it may find, besides everybody's
    admin: bool = False
    collection: str | None = None  # searched where a request names none
    collections: tuple[str, ...] = ()  # allowed ones; empty is all
    models: tuple[str, ...] = ()  # allowed ones; empty is all
    region: str = ""  # where its requests have to be answered; "" is anywhere
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_usd: float | None = None  # a calendar month's, UTC
    expires_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that has just been made, with the secret that nobody will see again."""

    key: Key
    secret: str
