"""`moorline ingest`: files, archives, pages and buckets into a collection, once or for good."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, get_args

import click

from gateway.commands.common import config_option, loaded
from gateway.commands.holding import ingested
from gateway.commands.telling import summed, told
from gateway.commands.watching import vanished
from gateway.config import Config, written
from gateway.control import Work
from retrieval.ingestion.config import EngineName
from retrieval.ingestion.events import Report, to_dict
from retrieval.metadata import BadMetadata, given
from retrieval.sources.targets import absolute, source
from retrieval.sources.types import BadSource
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from retrieval.ingestion.engines.types import Engines

_INTERRUPTED = 130
_STDIN = "-"
_AGAIN = 2.0  # seconds until what has failed is tried again
_BROKEN = "The gateway broke off; the index is whole. See its log."


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--collection", help="Collection to write; grounding.collection where not given.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also remove every document of the collection that is not among these.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Stay, and follow what becomes of these files: new, changed, renamed, deleted.",
)
@click.option(
    "--meta",
    multiple=True,
    metavar="KEY=VALUE",
    help="Said of every document, whatever it says of itself; may be given several times.",
)
@click.option("--name", help="File name of what comes by standard input, such as notes.md.")
@click.option(
    "--engine",
    type=click.Choice(get_args(EngineName)),
    help="What reads and embeds: `local`, this machine, or `ray`, a cluster (extra `ray`); "
    "ingestion.engine where not given.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help="With --engine ray: `auto`, or HOST:PORT of the head, on a node of that cluster; "
    "ingestion.ray.address where not given.",
)
@click.option("--dry-run", is_flag=True, help="Store nothing; say what each document becomes.")
@click.option("--show-chunks", is_flag=True, help="With --dry-run: print every passage.")
@click.option("--verbose", is_flag=True, help="Also name what is skipped, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the report, or a dry run.")
@config_option
def ingest(
    targets: tuple[str, ...],
    collection: str | None,
    prune: bool,
    watch: bool,
    meta: tuple[str, ...],
    name: str | None,
    engine: EngineName | None,
    ray_address: str | None,
    dry_run: bool,
    show_chunks: bool,
    verbose: bool,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Bring TARGETS into a collection: only what has changed is read, split and embedded again.

    A target is a file, a folder with all that is below it, a pattern, an archive, the URL of a page
    or of a sitemap, s3://BUCKET/PREFIX, or - for standard input. A document is known by its path
    below the folder or by its URL. What cannot be read is named and the rest goes on; the exit code
    is then 1.
    """
    if (show_chunks and not dry_run) or (watch and dry_run):
        raise click.UsageError("--show-chunks needs --dry-run, and --watch goes without it.")
    if (dry_run or watch) and engine == "ray":
        raise click.UsageError("--engine ray goes without --dry-run and --watch.")
    config = loaded(config_file)
    spread = not (dry_run or watch) and (engine or config.ingestion.engine) == "ray"
    if ray_address and not spread:
        raise click.UsageError("--ray-address needs --engine ray.")
    with _errors(), _spooled(targets, name) as paths:
        said = given(meta)  # before anything is opened
        work = Work(paths, collection or config.grounding.collection or "default", prune, meta)
        if dry_run:
            from gateway.commands.chunks import show  # parsers and chunkers, which others need not

            held = source(paths, config.retrieval.sources)
            shown = show(
                config, work.collection, held, meta=said, chunks=show_chunks, as_json=as_json
            )
            raise SystemExit(0 if asyncio.run(shown) else 1)
        if watch:
            asyncio.run(_followed(config, work, verbose, as_json))
        engines = _cluster(config, config_file, ray_address) if spread else None
        report = asyncio.run(told(ingested(config, work, engines), verbose=verbose))
    if report is None:
        raise click.ClickException(_BROKEN)
    _say(report, as_json)
    raise SystemExit(1 if report.failed else 0)


def _cluster(config: Config, file: Path | None, address: str | None) -> Engines:
    from gateway.spreading import spread

    if address:
        ray = config.ingestion.ray.model_copy(update={"address": address})
        ingestion = config.ingestion.model_copy(update={"ray": ray})
        config = config.model_copy(update={"ingestion": ingestion})
    return spread(config, written(file, "retrieval", "encoder"))


@contextmanager
def _errors() -> Iterator[None]:
    """What ends the command, in its words."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted. The index is whole; run the same again to go on.", err=True)
        raise SystemExit(_INTERRUPTED) from None
    except (BadSource, BadMetadata) as error:
        raise click.UsageError(str(error)) from error
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error


async def _followed(config: Config, work: Work, verbose: bool, as_json: bool) -> None:
    """Bring in what is there, and then every change, until Ctrl-C. Raises BadSource."""
    try:
        async with aclosing(vanished(work.targets)) as changes:
            async for gone in changes:
                report = await _synced(config, replace(work, remove=tuple(gone)), verbose)
                if report.added or report.changed or report.removed:
                    _say(report, as_json)
    except asyncio.CancelledError:
        click.echo("Stopped. The index is whole; run the same again to go on.", err=True)
        raise SystemExit(0) from None


async def _synced(config: Config, work: Work, verbose: bool) -> Report:
    """The ingestion's report. A gateway may stop and start meanwhile: then it is tried again."""
    while True:
        try:
            if report := await told(ingested(config, work), verbose=verbose):
                return report
            why = _BROKEN
        except RetrievalError as error:
            why = str(error)
        click.echo(f"{why} Trying again.", err=True)
        await asyncio.sleep(_AGAIN)


def _say(report: Report, as_json: bool) -> None:
    click.echo(json.dumps(to_dict(report)) if as_json else summed(report))


@contextmanager
def _spooled(targets: Sequence[str], name: str | None) -> Iterator[tuple[str, ...]]:
    """The targets as any process on this machine understands them: paths from the root, and what
    comes by standard input as a file."""
    if (name is None) == (_STDIN in targets):
        raise click.UsageError("- and --name go together: the name's suffix says the format.")
    if name is not None and PurePath(name).name != name:
        raise click.UsageError(f"--name is a file name without folders, not {name!r}.")
    with tempfile.TemporaryDirectory(prefix="moorline-") as folder:
        spool = Path(folder, name or "none")
        if name is not None:
            spool.write_bytes(sys.stdin.buffer.read())
        yield tuple(str(spool) if each == _STDIN else each for each in absolute(targets))
