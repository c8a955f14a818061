"""What several commands share: the --config option, the ledger, and how their errors are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.config import Config, ConfigError, load
from gateway.ledger.database import Database, LedgerUnusable, open_database

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration file; moorline.toml where there is one.",
)


def loaded(file: Path | None, only: Collection[str] | None = None) -> Config:
    """The configuration, or the command's end with what is wrong with it; `only` see `load`."""
    try:
        return load(file, only)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def ledger_database(file: Path | None) -> Iterator[Database]:
    """The configured ledger's database, or the command's end with why it cannot be opened."""
    config = loaded(file, only=("data", "ledger"))  # a provider's key is no matter of theirs
    try:
        database = open_database(config.ledger, config.data)
    except LedgerUnusable as error:
        raise click.ClickException(str(error)) from error
    try:
        yield database
    finally:
        database.close()
