"""Who a header names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.accounts.config import LimitsConfig
from gateway.accounts.keys import Accounts
from gateway.accounts.types import NewKey
from gateway.errors import Unauthorized
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import Database, open_database
from gateway.ledger.watching import REFRESH
from gateway.types import Caller


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(SqliteLedger(), tmp_path)
    yield database
    database.close()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


@pytest.fixture
def key(accounts: Accounts) -> NewKey:
    key = accounts.store.create("ops")
    accounts.refresh()
    return key


def test_without_keys_everyone_is_the_local_administrator(accounts: Accounts) -> None:
    assert not accounts.any()
    caller = accounts.identify(None)
    assert (caller.key, caller.admin) == ("local", True)
    assert accounts.identify("Bearer sk-anything") == caller


def test_a_key_names_its_caller(accounts: Accounts) -> None:
    made = accounts.store.create(
        "ops",
        team="support",
        groups=("hr",),
        admin=True,
        collection="handbook",
        collections=("handbook",),
        models=("auto",),
        requests_per_minute=60,
        tokens_per_minute=1000,
        budget_usd=5.0,
    )
    accounts.refresh()
    assert accounts.any()
    assert accounts.identify(f"Bearer {made.secret}") == Caller(
        key=made.key.id,
        name="ops",
        team="support",
        groups=("hr",),
        admin=True,
        collection="handbook",
        collections=("handbook",),
        models=("auto",),
        requests_per_minute=60,
        tokens_per_minute=1000,
        budget_usd=5.0,
    )


def test_limits_that_a_key_does_not_have_are_the_configured_ones(database: Database) -> None:
    accounts = Accounts(database, LimitsConfig(requests_per_minute=10, budget_usd=1.0))
    assert accounts.identify(None).requests_per_minute == 10
    made = accounts.store.create("ops", budget_usd=9.0)
    accounts.refresh()
    caller = accounts.identify(f"Bearer {made.secret}")
    limits = (caller.requests_per_minute, caller.tokens_per_minute, caller.budget_usd)
    assert limits == (10, None, 9.0)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(accounts: Accounts, key: NewKey, scheme: str) -> None:
    assert accounts.identify(f"{scheme} {key.secret}").name == "ops"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer sk-moor-wrong",
        "Basic {key}",
        "{key}",
        "Bearer ÿ\udcff",
    ],
)
def test_a_wrong_key_is_refused(accounts: Accounts, key: NewKey, header: str | None) -> None:
    with pytest.raises(Unauthorized) as refused:
        accounts.identify(header and header.replace("{key}", key.secret))
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")


def test_a_refusal_never_shows_the_key(accounts: Accounts, key: NewKey) -> None:
    with pytest.raises(Unauthorized) as refused:
        accounts.identify("Bearer sk-moor-secret")
    assert "secret" not in refused.value.message


def test_a_revoked_key_is_refused_and_opens_no_door(accounts: Accounts, key: NewKey) -> None:
    accounts.store.revoke(key.key.id)
    accounts.refresh()
    with pytest.raises(Unauthorized, match="revoked"):
        accounts.identify(f"Bearer {key.secret}")
    with pytest.raises(Unauthorized, match="didn't provide"):
        accounts.identify(None)


def test_a_key_expires(database: Database) -> None:
    now = 1000.0
    accounts = Accounts(database, clock=lambda: now)
    made = accounts.store.create("ops", expires_at=2000.0)
    accounts.refresh()
    assert accounts.identify(f"Bearer {made.secret}").name == "ops"
    now = 2000.0
    with pytest.raises(Unauthorized, match="expired"):
        accounts.identify(f"Bearer {made.secret}")


def test_a_running_gateway_learns_of_a_change_within_a_second(
    database: Database, accounts: Accounts
) -> None:
    class Watched(Accounts):
        def refresh(self) -> None:
            super().refresh()
            if self.any():
                known.set()

    known = threading.Event()
    running = Watched(database)
    running.start()
    try:
        accounts.store.create("ops")
        assert known.wait(1.0 + REFRESH)
    finally:
        running.close()


def test_keys_stay_valid_while_the_database_is_away(database: Database) -> None:
    class Away(Accounts):
        """Its second look fails, as does every one after it."""

        looks = 0

        def refresh(self) -> None:
            self.looks += 1
            if self.looks == 1:
                super().refresh()
            else:
                looked.set()
                raise database.unavailable[0]("away")

    looked = threading.Event()
    made = Accounts(database).store.create("ops")
    accounts = Away(database)
    accounts.start()
    assert looked.wait(10)
    accounts.close()
    assert accounts.identify(f"Bearer {made.secret}").name == "ops"
