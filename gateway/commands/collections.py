"""`moorline collections`: what there is, what is in it, and taking one away."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from gateway.commands.common import config_option, loaded
from gateway.commands.holding import answered


@click.group()
def collections() -> None:
    """List, show and drop collections of documents."""


@collections.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@config_option
def list_all(as_json: bool, config_file: Path | None) -> None:
    """Name all collections."""
    names = answered(loaded(config_file), lambda held: held.names())
    if as_json:
        click.echo(json.dumps(names))
    elif names:
        click.echo("\n".join(names))
    else:
        click.echo("There are none. `moorline ingest PATH` makes one.")


@collections.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@config_option
def show(name: str, as_json: bool, config_file: Path | None) -> None:
    """Show what is in the collection NAME."""
    held = answered(loaded(config_file), lambda held: held.documents(name))
    languages = Counter(str(known.meta.get("language", "")) for known in held.values())
    facts = {
        "collection": name,
        "documents": len(held),
        "passages": sum(known.passages for known in held.values()),
        "recipes": len({known.recipe for known in held.values()}),
        "languages": {language or "unknown": many for language, many in languages.most_common()},
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    spoken = ", ".join(
        f"{language} {many}" for language, many in languages.most_common() if language
    )
    click.echo(f"{name}: {facts['documents']} documents, {facts['passages']} passages")
    if spoken:
        click.echo(f"languages: {spoken}")


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def drop(name: str, yes: bool, config_file: Path | None) -> None:
    """Remove the collection NAME with all its documents; the files stay as they are."""
    config = loaded(config_file)
    if not yes:
        held = answered(config, lambda held: held.documents(name))
        click.confirm(f"Remove {name!r} with its {len(held)} documents?", abort=True)
    gone = answered(config, lambda held: held.drop(name))
    click.echo(f"Removed {name!r} with {gone} documents.")
