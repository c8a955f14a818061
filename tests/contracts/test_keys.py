"""What the table of keys does, whatever database it stands in."""

from __future__ import annotations

import pytest

from gateway.accounts.keys import Accounts
from gateway.accounts.store import KeyStore, fingerprint
from gateway.errors import Unauthorized
from gateway.ledger.database import Database

NOON = 1_795_000_000.0


@pytest.fixture
def store(database: Database) -> KeyStore:
    return KeyStore(database, clock=lambda: NOON)


def test_a_key_comes_back_as_it_was_made(store: KeyStore) -> None:
    made = store.create(
        "ops",
        team="support",
        groups=("hr", "staff"),
        admin=True,
        collection="handbook",
        collections=("handbook", "faq"),
        models=("auto",),
        requests_per_minute=60,
        tokens_per_minute=10_000,
        budget_usd=2.5,
        expires_at=NOON + 1,
    )
    assert store.all() == [made.key]


def test_the_secret_is_stored_nowhere(store: KeyStore) -> None:
    made = store.create("ops")
    assert made.secret.startswith("sk-moor-")
    assert len(made.secret) == len("sk-moor-") + 43
    assert made.key.hash == fingerprint(made.secret)
    assert made.secret not in repr(store.all())


def test_a_key_is_revoked_once(store: KeyStore) -> None:
    made = store.create("ops")
    assert store.revoke(made.key.id)
    assert not store.revoke(made.key.id)
    assert not store.revoke("k_unknown")
    assert store.all()[0].revoked_at == NOON


def test_every_change_moves_the_version(store: KeyStore) -> None:
    versions = [store.version()]
    made = store.create("ops")
    versions.append(store.version())
    store.revoke(made.key.id)
    versions.append(store.version())
    assert versions == sorted(set(versions))


def test_a_key_of_another_process_is_known_after_a_refresh(
    database: Database, store: KeyStore
) -> None:
    accounts = Accounts(database)
    made = store.create("ops")
    accounts.refresh()
    assert accounts.identify(f"Bearer {made.secret}").key == made.key.id
    store.revoke(made.key.id)
    accounts.refresh()
    with pytest.raises(Unauthorized, match="revoked"):
        accounts.identify(f"Bearer {made.secret}")
