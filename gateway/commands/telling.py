"""An ingestion as a terminal shows it: a bar while it runs, failures as they happen, a summary."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import click
from tqdm import tqdm

from retrieval.ingestion.events import Failure, Progress, Report, from_dict

_BAR = "{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}, {remaining} left]"
_OPEN = "{desc} [{elapsed}]"
"""Where nobody knows yet how much there is."""


async def told(events: AsyncIterator[dict[str, Any]], *, verbose: bool = False) -> Report | None:
    """Show an ingestion while it runs; its report, or None where it broke off.

    Raises RetrievalError for what ended it."""
    report: Report | None = None
    # Nothing is drawn where nobody looks: without a terminal, only failures and the summary.
    with tqdm(total=0, bar_format=_OPEN, disable=None, file=sys.stderr, leave=False) as bar:
        async for raw in events:
            match from_dict(raw):
                case Progress() as progress:
                    _draw(bar, progress)
                case Report() as report:
                    pass
    if report is not None and verbose:
        for one in report.skipped:
            click.echo(f"skipped: {_line(one)}", err=True)
    return report


def summed(report: Report) -> str:
    """A report in a line, or two."""
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    counts += f", {report.removed} removed" if report.removed else ""
    counts += f", {len(report.skipped)} skipped" if report.skipped else ""
    counts += f", {len(report.failed)} failed" if report.failed else ""
    rate = f" ({report.passages / report.seconds:.0f}/s)" if report.passages else ""
    reused = f", {report.reused} of earlier ones reused" if report.reused else ""
    line = f"{counts}; {report.passages} passages in {report.seconds:.1f} s{rate}{reused}."
    return f"{line}\n{report.notice}" if report.notice else line


def _draw(bar: tqdm[Any], progress: Progress) -> None:
    if progress.failure:
        tqdm.write(_line(progress.failure), file=sys.stderr)
    if progress.notice:
        tqdm.write(progress.notice, file=sys.stderr)
        return
    rate = progress.passages / progress.seconds if progress.seconds else 0.0
    files = f"{progress.files_done}/{progress.files}{'' if progress.listed else '+'} files"
    bar.set_description_str(f"{files}, {progress.passages} passages, {rate:.0f}/s", refresh=False)
    # Sizes tell more than numbers of files; time left is told once all is listed.
    sized = progress.unsized == 0
    bar.bar_format = _BAR if progress.listed else _OPEN
    bar.total = progress.size if sized else progress.files
    bar.n = progress.size_done if sized else progress.files_done
    bar.update(0)


def _line(failure: Failure) -> str:
    return f"{failure.path}: {failure.reason}"
