"""`moorline adapters`: LoRA adapters from where they lie to the requests that name them.

Works on the ledger and on the folder of their files, whether a gateway runs or not; running ones
follow within a second. Only `warm` asks a running gateway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import click

from gateway.adapters.comparing import Comparison, Figure, compared
from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.intake import Intake, Wanted, slots
from gateway.adapters.names import BadName, reference
from gateway.adapters.store import AdapterStore, Conflict, Held, NoSuchAdapter
from gateway.adapters.telling import told, told_revision
from gateway.adapters.types import EVERYBODY, LIVE, SHADOW, Adapter
from gateway.commands.common import config_option, ledger_database, loaded
from gateway.commands.table import moment, table
from gateway.control import running
from gateway.ledger.queries import Queries
from retrieval.types import RetrievalError
from routing.experiments.intervals import FEWEST
from routing.placement.types import Priority
from routing.types import Limits

WANTED = ("data", "ledger", "providers", "models", "adapters")
PRIORITIES = click.Choice(get_args(Priority))

team_option = click.option(
    "--team", default=EVERYBODY, help="Whose it is; everybody's when not given."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def adapters() -> None:
    """Add, promote, pin and remove LoRA adapters."""


@adapters.command()
@config_option
@click.argument("source")
@click.option("--name", required=True, help="What requests will call it.")
@team_option
@click.option("--provider", default="", help="Whose engines serve it, where several could.")
@click.option("--priority", type=PRIORITIES, help="Of all its revisions; as before, or medium.")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute, of this revision.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute, prompt and answer.")
@click.option("--parallel", type=click.IntRange(min=1), help="Requests at once.")
@click.option("--live", is_flag=True, help="The bare name means it from now on.")
@click.option("--finite", is_flag=True, help="Look at every number of its weights, too.")
@json_option
def add(
    config_file: Path | None,
    source: str,
    name: str,
    team: str,
    provider: str,
    priority: Priority | None,
    rpm: int | None,
    tpm: int | None,
    parallel: int | None,
    live: bool,
    finite: bool,
    as_json: bool,
) -> None:
    """Fetch an adapter from a folder, s3://bucket/prefix or hub:owner/name@revision, look it over
    and register it. The first revision of a name is live at once."""
    quota = Limits(rpm, tpm, parallel)
    given = None if quota == Limits() else quota
    wanted = Wanted(source, name, team, provider, priority, given, live, finite)
    with _intake(config_file) as intake:
        made = intake.add(wanted)
        held = intake.store.held(team, name)
    if as_json:
        click.echo(json.dumps(told_revision(made)))
        return
    facts = made.facts
    click.echo(
        f"{name}@{made.revision} for {made.provider}: rank {facts.rank}, "
        f"{facts.size / 1e6:.1f} MB, {', '.join(facts.targets)}."
    )
    for warning in facts.warnings:
        click.echo(f"  Note: {warning}")
    leads = held.aliases.get(LIVE)
    if leads and leads.revision == made.revision:
        click.echo(f'Requests for "{name}" are answered by it.')
    else:
        click.echo(f"To make it live: moorline adapters promote {name}@{made.revision}")


@adapters.command("list")
@config_option
@json_option
def list_adapters(config_file: Path | None, as_json: bool) -> None:
    """Show all names, with the revision that is live."""
    with _store(config_file) as store:
        every = store.all()
    if as_json:
        click.echo(json.dumps([told(held) for held in every]))
        return
    if not every:
        click.echo("No adapters. moorline adapters add SOURCE --name NAME brings one in.")
        return
    head = ("name", "team", "live", "aliases", "revisions", "provider", "rank", "MB", "priority")
    click.echo(table(head, [_line(held) for held in every]))


@adapters.command()
@config_option
@click.argument("name")
@team_option
@json_option
def show(config_file: Path | None, name: str, team: str, as_json: bool) -> None:
    """Show one name with all its revisions."""
    with _store(config_file) as store:
        held = store.held(team, name)
    if as_json:
        click.echo(json.dumps(told(held)))
        return
    head = ("revision", "aliases", "added", "rank", "alpha", "MB", "dtype", "digest", "source")
    click.echo(table(head, [_revision(held, each) for each in held.revisions.values()]))


@adapters.command()
@config_option
@click.argument("adapter")
@team_option
@click.option("--as", "alias", default=LIVE, show_default=True, help="The alias that moves.")
def promote(config_file: Path | None, adapter: str, team: str, alias: str) -> None:
    """Let the bare name (or another alias) mean NAME@2, or what NAME@canary means."""
    with _store(config_file, counting=True) as store:
        made = store.lead(team, reference(adapter), alias)
    click.echo(f"{made.name}@{alias} is revision {made.revision}.")


@adapters.command()
@config_option
@click.argument("name")
@team_option
@click.option("--as", "alias", default=LIVE, show_default=True, help="The alias that moves.")
def rollback(config_file: Path | None, name: str, team: str, alias: str) -> None:
    """Let an alias mean what it meant before."""
    with _store(config_file, counting=True) as store:
        made = store.back(team, name, alias)
    click.echo(f"{name}@{alias} is revision {made.revision}.")


@adapters.command()
@config_option
@click.argument("name")
@team_option
@click.option("--priority", type=PRIORITIES, default="critical", show_default=True)
def pin(config_file: Path | None, name: str, team: str, priority: Priority) -> None:
    """Keep it loaded on two replicas; with another priority, as long as others leave it there."""
    with _store(config_file, counting=True) as store:
        store.prioritise(team, name, priority)
    click.echo(f"{name} is {priority}.")


@adapters.command()
@config_option
@click.argument("adapter")
@team_option
@json_option
def compare(config_file: Path | None, adapter: str, team: str, as_json: bool) -> None:
    """Show how NAME@2 has answered as NAME@shadow, beside the live revision. The intervals hold
    however often one looks."""
    with _refusals(), ledger_database(config_file) as database:
        meant = reference(adapter)
        held = AdapterStore(database).held(team, meant.name)
        found = compared(Queries(database).shadowed(held.meant(meant.wanted).served_as))
    if found is None:
        raise click.ClickException(
            f"Nothing was put to it yet: moorline adapters promote {adapter} --as {SHADOW}"
        )
    click.echo(json.dumps(asdict(found)) if as_json else _compared(found))


@adapters.command()
@config_option
@click.argument("adapter")
@team_option
@click.option("--all", "whole", is_flag=True, help="Of a bare name: all its revisions.")
def remove(config_file: Path | None, adapter: str, team: str, whole: bool) -> None:
    """Remove NAME@2, the alias NAME@canary, or with --all everything of NAME."""
    with _refusals():
        meant = reference(adapter)
    if whole == ("@" in adapter):
        name = meant.name
        raise click.UsageError(f"Say which: {name}@NUMBER, {name}@ALIAS, or {name} --all.")
    with _intake(config_file) as intake:
        if isinstance(meant.wanted, str) and not whole:
            intake.store.unlead(team, meant.name, meant.wanted)
            click.echo(f"{adapter} means nothing any more.")
            return
        number = None if isinstance(meant.wanted, str) else meant.wanted
        gone = intake.remove(team, meant.name, number)
    click.echo(f"Removed {', '.join(f'{each.name}@{each.revision}' for each in gone)}.")


@adapters.command()
@config_option
@click.argument("adapter")
@team_option
def warm(config_file: Path | None, adapter: str, team: str) -> None:
    """Have the running gateway load it where a request for it would be sent."""
    with _refusals():
        reference(adapter)
    control = running(loaded(config_file, only=("data",)).data)
    if control is None:
        raise click.ClickException("No gateway runs on this data folder, so no engine is known.")
    path = f"/admin/adapters/{quote(adapter)}/warm?team={quote(team)}"
    try:
        answer = asyncio.run(control.ordered(path))
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{answer['served_as']} is loaded at {answer['replica']}.")


@contextmanager
def _store(config_file: Path | None, counting: bool = False) -> Iterator[AdapterStore]:
    """The tables. Where pins are counted it has to be known how many slots there are."""
    with _refusals(), ledger_database(config_file) as database:
        yield AdapterStore(database, slots(loaded(config_file, WANTED)) if counting else {})


@contextmanager
def _intake(config_file: Path | None) -> Iterator[Intake]:
    with _refusals(), ledger_database(config_file) as database:
        yield Intake(loaded(config_file, WANTED), database)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (BadName, NoSuchAdapter, Conflict, BadAdapter, SourceAway) as error:
        raise click.ClickException(str(error.args[0])) from error
    except OSError as error:  # of the folder of adapters
        where = error.filename or "The folder of adapters"
        raise click.ClickException(f"{where}: {error.strerror or error}") from error


def _compared(found: Comparison) -> str:
    lines = [f"Beside {found.live}: {found.asked} asked, {found.failed} failed."]
    if found.likeness is not None and found.same is not None:
        lines.append(f"Texts are alike by {found.likeness:.0%}; {found.same:.0%} are the same.")
    rows = [
        (name, str(each.pairs), f"{each.live:.4g}", f"{each.shadow:.4g}", _apart(each))
        for name, each in found.figures.items()
    ]
    return "\n".join([*lines, table(("", "pairs", "live", "shadow", "difference"), rows)])


def _apart(figure: Figure) -> str:
    apart = figure.difference
    if apart is None:
        return f"no interval before {FEWEST} pairs"
    return f"{apart.value:+.4g} ({apart.low:+.4g} to {apart.high:+.4g})"


def _line(held: Held) -> tuple[str, ...]:
    latest = held.revisions[max(held.revisions)]
    live = held.aliases.get(LIVE)
    shown = held.revisions[live.revision] if live else latest
    others = [f"{a.name} {a.revision}" for a in held.aliases.values() if a.name != LIVE]
    return (
        held.name,
        held.tenant or "everybody",
        str(live.revision) if live else "-",
        ", ".join(others) or "-",
        str(len(held.revisions)),
        shown.provider,
        str(shown.facts.rank),
        f"{shown.facts.size / 1e6:.1f}",
        latest.priority,
    )


def _revision(held: Held, adapter: Adapter) -> tuple[str, ...]:
    led = (alias.name for alias in held.aliases.values() if alias.revision == adapter.revision)
    facts = adapter.facts
    return (
        str(adapter.revision),
        ", ".join(led) or "-",
        moment(adapter.added_at),
        str(facts.rank),
        f"{facts.alpha:g}",
        f"{facts.size / 1e6:.1f}",
        facts.dtype,
        facts.digest[:12],
        adapter.source,
    )
