"""`moorline keys`: make, list and revoke the keys that callers authenticate with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.accounts.store import KeyStore
from gateway.accounts.types import Key
from gateway.commands.common import config_option, ledger_database
from gateway.commands.table import moment, table

DAY = 86_400
_HINT = """\
Keep it now: it is stored as a hash and cannot be shown again.
  export OPENAI_API_KEY={secret}
A running gateway knows it within a second; from the first key on every request needs one."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """Make, list and revoke keys."""


@keys.command()
@config_option
@click.option("--name", required=True, help="Who or what it is for.")
@click.option("--team", default="default", show_default=True, help="Shares answers in the cache.")
@click.option(
    "--groups",
    "--group",
    "groups",
    multiple=True,
    help="Finds documents of this group, too; repeat, or write commas, for more.",
)
@click.option("--admin", is_flag=True, help="May ingest, and see the dashboard.")
@click.option(
    "--collection",
    "collections",
    multiple=True,
    help="May read this collection; repeat for more. The first is its default. All when not given.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="May use this model, or what this alias or `auto` leads to; repeat for more. "
    "All otherwise.",
)
@click.option("--region", default="", help="Its requests are answered nowhere else.")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute, prompt and answer.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    help="USD a calendar month (UTC).",
)
@click.option("--expires", type=click.FloatRange(min=0, min_open=True), help="Days it is valid.")
@json_option
def create(
    config_file: Path | None,
    name: str,
    team: str,
    groups: tuple[str, ...],
    admin: bool,
    collections: tuple[str, ...],
    models: tuple[str, ...],
    region: str,
    rpm: int | None,
    tpm: int | None,
    budget: float | None,
    expires: float | None,
    as_json: bool,
) -> None:
    """Make a key and show it, once."""
    with _store(config_file) as store:
        made = store.create(
            name,
            team=team,
            groups=_names(groups),
            admin=admin,
            collection=collections[0] if collections else None,
            collections=collections,
            models=models,
            region=region,
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            budget_usd=budget,
            expires_at=None if expires is None else time.time() + expires * DAY,
        )
    if as_json:
        click.echo(json.dumps({"secret": made.secret, **_shown(made.key)}))
        return
    click.echo(f"{made.secret}\n\nKey {made.key.id} for {name}. {_HINT.format(secret=made.secret)}")


@keys.command("list")
@config_option
@json_option
def list_keys(config_file: Path | None, as_json: bool) -> None:
    """Show every key that was ever made; secrets are not stored."""
    with _store(config_file) as store:
        found = store.all()
    if as_json:
        click.echo(json.dumps([_shown(key) for key in found]))
        return
    if not found:
        click.echo("No keys: whoever reaches this machine's loopback may use the gateway.")
        return
    head = ("id", "name", "team", "may", "limits", "created", "state")
    click.echo(table(head, [_line(key, time.time()) for key in found]))


@keys.command()
@config_option
@click.argument("key")
def revoke(config_file: Path | None, key: str) -> None:
    """Revoke the key with this public id (k_…). Running gateways follow within a second."""
    with _store(config_file) as store:
        if not store.revoke(key):
            raise click.ClickException(f"There is no valid key {key}. See: moorline keys list")
    click.echo(f"Revoked {key}.")


@contextmanager
def _store(config_file: Path | None) -> Iterator[KeyStore]:
    with ledger_database(config_file) as database:
        yield KeyStore(database)


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """Names that were given one by one, or several with commas between them."""
    names = (name.strip() for each in given for name in each.split(","))
    return tuple(dict.fromkeys(filter(None, names)))


def _shown(key: Key) -> dict[str, Any]:
    """A key as JSON, without the hash of its secret."""
    return {name: value for name, value in asdict(key).items() if name != "hash"}


def _line(key: Key, now: float) -> tuple[str, ...]:
    groups = (f"group {group}" for group in key.groups)
    within = [f"in {key.region}"] if key.region else []
    may = [*(["admin"] if key.admin else []), *key.collections, *key.models, *groups, *within]
    limits = [
        f"{limit:g} {unit}"
        for limit, unit in (
            (key.requests_per_minute, "rpm"),
            (key.tokens_per_minute, "tpm"),
            (key.budget_usd, "USD"),
        )
        if limit is not None
    ]
    return (
        key.id,
        key.name,
        key.team,
        ", ".join(may) or "all",
        ", ".join(limits) or "-",
        moment(key.created_at),
        _state(key, now),
    )


def _state(key: Key, now: float) -> str:
    if key.revoked_at is not None:
        return f"revoked {moment(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.expires_at > now else 'expired'} {moment(key.expires_at)}"
