"""`moorline ingest`: files into a collection, here or by the gateway that holds the index.

Both tell the same events, so that what is shown does not depend on who does the work.
"""

from __future__ import annotations

import asyncio
import glob
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.commands.common import config_option, loaded
from gateway.config import Config
from gateway.control import running
from retrieval.ingest import Failure, Ingestor, Progress, Report, as_dicts, from_dict, to_dict
from retrieval.sources.types import BadSource
from retrieval.types import RetrievalError

_BAR = "{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}, {remaining} left]"
_INTERRUPTED = 130


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--collection", help="Collection to write; grounding.collection where not given.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also remove every document of the collection that is not among these files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@config_option
def ingest(
    paths: tuple[str, ...],
    collection: str | None,
    prune: bool,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Bring files and folders into a collection: only what has changed is read again.

    Markdown, text, HTML, PDF, DOCX and CSV. A folder is read with all that is below it; a document
    is known by its path below the folder. A file that cannot be read is named and the rest goes
    on; the exit code is then 1.
    """
    files = list(_expanded(paths))
    config = loaded(config_file)
    events = _events(config, files, collection or config.grounding.collection or "default", prune)
    try:
        report = asyncio.run(told(events, summary=not as_json))
    except KeyboardInterrupt:
        click.echo("Interrupted. The index is whole; run the same again to go on.", err=True)
        raise SystemExit(_INTERRUPTED) from None
    except BadSource as error:
        raise click.UsageError(str(error)) from error
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error
    if report is None:
        raise click.ClickException("The gateway broke off; the index is whole. See its log.")
    if as_json:
        click.echo(json.dumps(to_dict(report)))
    raise SystemExit(1 if report.failed else 0)


async def told(events: AsyncIterator[dict[str, Any]], *, summary: bool = True) -> Report | None:
    """Show an ingestion while it runs; its report, or None where it broke off.

    Raises RetrievalError for what ended it."""
    report: Report | None = None
    # Nothing is drawn where nobody looks: without a terminal, only failures and the summary.
    with tqdm(total=0, bar_format=_BAR, disable=None, file=sys.stderr, leave=False) as bar:
        async for raw in events:
            match from_dict(raw):
                case Progress() as progress:
                    _draw(bar, progress)
                case Report() as report:
                    pass
    if report is not None and summary:
        click.echo(_summary(report))
    return report


def _draw(bar: tqdm[Any], progress: Progress) -> None:
    if progress.failure:
        tqdm.write(_failed(progress.failure), file=sys.stderr)
    rate = progress.passages / progress.seconds if progress.seconds else 0.0
    bar.total = progress.size
    bar.set_description_str(
        f"{progress.files_done}/{progress.files} files, {progress.passages} passages, {rate:.0f}/s",
        refresh=False,
    )
    bar.update(progress.size_done - bar.n)


def _failed(failure: Failure) -> str:
    return f"{failure.path}: {failure.reason}"


def _summary(report: Report) -> str:
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    counts += f", {report.removed} removed" if report.removed else ""
    counts += f", {report.skipped} skipped" if report.skipped else ""
    counts += f", {len(report.failed)} failed" if report.failed else ""
    rate = f" ({report.passages / report.seconds:.0f}/s)" if report.passages else ""
    line = f"{counts}; {report.passages} passages in {report.seconds:.1f} s{rate}."
    return f"{line}\n{report.notice}" if report.notice else line


def _expanded(paths: Sequence[str]) -> Iterator[Path]:
    """The paths, with patterns that the shell has left alone resolved."""
    for text in paths:
        path = Path(text)
        found = [path] if path.exists() else [Path(p) for p in sorted(glob.glob(text))]
        if not found:
            raise click.UsageError(f"No such file or folder: {text}")
        yield from found


async def _events(
    config: Config, paths: Sequence[Path], collection: str, prune: bool
) -> AsyncIterator[dict[str, Any]]:
    """From the gateway that holds the index, or from here."""
    import aiohttp

    if control := running(config.data):
        try:
            async for event in control.ingest(paths, collection, prune):
                yield event
            return
        except aiohttp.ClientError as error:
            raise RetrievalError(f"The gateway at {control.url} broke off: {error}") from error
    async with aclosing(_here(config, paths, collection, prune)) as events:
        async for event in events:
            yield event


async def _here(
    config: Config, paths: Sequence[Path], collection: str, prune: bool
) -> AsyncGenerator[dict[str, Any]]:
    from gateway.build import open_encoder, open_indexes

    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        index = await indexes.open(collection, create=True)
        if index is None:
            raise RetrievalError(f"The collection {collection!r} could not be made.")
        ingestor = Ingestor(index, encoder, config.retrieval)
        async with aclosing(as_dicts(ingestor.events(paths, prune=prune))) as events:
            async for event in events:
                yield event
