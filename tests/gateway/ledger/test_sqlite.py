"""What is particular to the SQLite file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import LedgerUnusable, open_database
from gateway.ledger.sqlite import SqliteDatabase


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    database = open_database(SqliteLedger(), tmp_path / "data")
    modes = [stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()]
    assert set(modes) == {0o600}
    database.close()


def test_the_file_is_where_the_configuration_says(tmp_path: Path) -> None:
    open_database(SqliteLedger(path=tmp_path / "elsewhere" / "x.db"), tmp_path / "data").close()
    assert (tmp_path / "elsewhere" / "x.db").is_file()
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnusable, match=r"file/ledger\.db"):
        open_database(SqliteLedger(), tmp_path / "file")


def test_a_connection_that_is_stuck_in_a_transaction_is_not_lent_again(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "x.db")
    with database.connection() as stuck:
        stuck.run("BEGIN")
    with database.connection() as connection:
        assert not connection.raw.in_transaction
    database.close()
