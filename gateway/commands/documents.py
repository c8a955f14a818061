"""`moorline documents`: what a collection holds, one line a document, and taking some out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from gateway.commands.common import config_option, loaded
from gateway.commands.holding import answered
from gateway.commands.table import table
from retrieval.types import Recorded

collection_option = click.option(
    "--collection", help="Which collection; grounding.collection where not given."
)


@click.group()
def documents() -> None:
    """List, show and remove the documents of a collection."""


@documents.command(name="list")
@collection_option
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON lines.")
@config_option
def list_all(collection: str | None, as_json: bool, config_file: Path | None) -> None:
    """List what is in a collection."""
    held = _held(collection, config_file)
    if as_json:
        for source, known in sorted(held.items()):
            click.echo(json.dumps({"source": source, **asdict(known)}))
        return
    rows = [
        (source, known.title, str(known.passages or "?"), known.version[:12])
        for source, known in sorted(held.items())
    ]
    click.echo(table(("document", "title", "passages", "version"), rows))


@documents.command()
@click.argument("source")
@collection_option
@config_option
def show(source: str, collection: str | None, config_file: Path | None) -> None:
    """Show what is known of the document SOURCE, as JSON."""
    known = _held(collection, config_file).get(source)
    if known is None:
        raise click.ClickException(f"There is no document {source!r}.")
    click.echo(json.dumps({"source": source, **asdict(known)}, indent=2, ensure_ascii=False))


@documents.command()
@click.argument("sources", nargs=-1, required=True)
@collection_option
@config_option
def remove(sources: tuple[str, ...], collection: str | None, config_file: Path | None) -> None:
    """Take the documents SOURCES out; ingesting their files brings them back."""
    config = loaded(config_file)
    name = collection or config.grounding.collection or "default"
    report = answered(config, lambda held: held.remove(name, sources))
    click.echo(f"{report.removed} removed.")
    if missing := len(set(sources)) - report.removed:
        raise click.ClickException(f"{missing} of them are not in the collection {name!r}.")


def _held(collection: str | None, config_file: Path | None) -> Mapping[str, Recorded]:
    config = loaded(config_file)
    name = collection or config.grounding.collection or "default"
    return answered(config, lambda held: held.documents(name))
