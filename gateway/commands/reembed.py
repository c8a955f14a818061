"""`moorline reembed`: collections that another encoder wrote, embedded with the configured one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.commands.common import config_option, loaded
from gateway.config import Config
from retrieval.config import EmbeddedIndex
from retrieval.types import RetrievalError


@click.command()
@click.option("--collection", help="Only this one; all that another encoder wrote otherwise.")
@config_option
def reembed(collection: str | None, config_file: Path | None) -> None:
    """Embed collections anew after retrieval.encoder was changed.

    What there is stays as it is until all of a collection is embedded; then it is turned to in one
    step. Nothing is read or split anew. The embedded index belongs to one process, so a gateway
    that has it open is to be stopped first; on a Qdrant server one with the encoder before goes on
    answering until then, and takes no new documents meanwhile."""
    config = loaded(config_file)
    _check_nobody_holds(config)
    try:
        asyncio.run(_reembedded(config, collection))
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error


def _check_nobody_holds(config: Config) -> None:
    from gateway.control import running

    if isinstance(config.retrieval.index, EmbeddedIndex) and (held := running(config.data)):
        raise click.ClickException(
            f"The gateway at {held.url} has the index open, and goes on with the encoder that it "
            "was started with. Stop it, embed anew, and start it again."
        )


async def _reembedded(config: Config, collection: str | None) -> None:
    from gateway.backends import open_encoder, open_indexes

    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        if collection and collection not in await indexes.names():
            raise RetrievalError(f"There is no collection {collection!r}.")
        foreign = await indexes.foreign()
        for name in [collection] if collection else sorted(foreign):
            if name not in foreign:
                click.echo(f"{name}: {encoder.name} wrote it, so there is nothing to do.")
                continue
            click.echo(f"{name}: from {foreign[name]} to {encoder.name}")
            many = await indexes.reembed(name, encoder, _shown)
            click.echo(f"{name}: {many} passages are embedded anew.")
        if not collection and not foreign:
            click.echo(f"{encoder.name} wrote all there is, so there is nothing to do.")


def _shown(passages: int) -> None:
    click.echo(f"  {passages} passages", err=True)
