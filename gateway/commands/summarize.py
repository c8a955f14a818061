"""`moorline summarize`: a file, however long, as a summary or as the answer to a question."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gateway.commands.common import config_option, loaded
from gateway.config import Config, ConfigError
from gateway.errors import GatewayError
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import known, parse
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from gateway.pipeline import Gateway
    from gateway.summarizing import Preview, Wanted
    from gateway.types import Done, LongDocument
    from retrieval.types import Document

STDIN = "-"
DEAR = 0.5
"""USD. What may cost more is not begun unasked."""
_METHODS = ("auto", "map-reduce", "refine", "hierarchical")
_BAR = (
    "{desc} {percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt} calls [{elapsed}, {remaining} left]"
)


@click.command()
@click.argument("file")
@click.option("--model", default="auto", show_default=True, help="As a request would name it.")
@click.option("--method", type=click.Choice(_METHODS), default="auto", show_default=True)
@click.option("--question", help="Answer this from the file instead.")
@click.option("--words", type=click.IntRange(10, 5000), default=200, show_default=True)
@click.option("--preview", "only_preview", is_flag=True, help="Say what it takes, and stop.")
@click.option("--yes", is_flag=True, help=f"Do not ask, even above {DEAR:g} USD.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@config_option
def summarize(
    file: str,
    model: str,
    method: str,
    question: str | None,
    words: int,
    only_preview: bool,
    yes: bool,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Summarise FILE, of any format that can be ingested; `-` is text from standard input.

    Without a configured model the summary is made of sentences of the file, word for word."""
    from gateway.summarizing import Wanted

    config = loaded(config_file)
    task = question or f"Summarise the text in about {words} words."
    chosen = cast("LongDocument", method.replace("-", "_"))
    wanted = Wanted(_document(file), task, model, chosen)
    try:
        asyncio.run(_made(config, wanted, only_preview, yes, as_json))
    except GatewayError as error:
        raise click.ClickException(error.message) from error
    except (ConfigError, RetrievalError) as error:
        raise click.ClickException(str(error)) from error


def _document(file: str) -> Document:
    """The file as it is parsed, or the command's end with why it cannot be."""
    name = "stdin.md" if file == STDIN else Path(file).name
    if not known(name):
        raise click.ClickException(f"{file}: files of this kind cannot be read.")
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return parse(data, name, name)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}.") from error
    except Unreadable as error:
        raise click.ClickException(f"{file}: {error}.") from error


async def _made(
    config: Config, wanted: Wanted, only_preview: bool, yes: bool, as_json: bool
) -> None:
    from gateway.summarizing import opened, preview

    async with opened(config) as gateway:
        seen = await preview(gateway, wanted)
        if only_preview:
            click.echo(json.dumps(asdict(seen)) if as_json else foreseen(seen))
            return
        if not yes and (seen.cost_usd or 0.0) > DEAR:
            click.echo(foreseen(seen), err=True)
            await asyncio.to_thread(click.confirm, "Go on?", abort=True, err=True)
        await _told(gateway, wanted, seen.calls, as_json)


async def _told(gateway: Gateway, wanted: Wanted, calls: int, as_json: bool) -> None:
    """The answer as it comes, or all of it as JSON, behind a bar where somebody looks."""
    from tqdm import tqdm

    from gateway.api.moorline import about
    from gateway.tracing.trace import Trace
    from gateway.types import Delta, Done, Progress

    trace = Trace()
    answer = await gateway.answer_here(wanted.ask(), trace)
    text = ""
    with tqdm(total=calls, bar_format=_BAR, disable=None, file=sys.stderr, leave=False) as bar:
        async with aclosing(answer.events) as events:
            async for event in events:
                match event:
                    case Progress():
                        bar.set_description_str(event.step, refresh=False)
                        bar.update(event.done - bar.n)
                    case Delta():
                        bar.clear()
                        text += event.text
                        click.echo("" if as_json else event.text, nl=False)
                    case Done():
                        done = event
    if as_json:
        told: dict[str, Any] = {"text": text, **about(done, trace.id), "usage": asdict(done.usage)}
        told["sources"] = [asdict(each) for each in done.sources if each.cited]
        click.echo(json.dumps(told))
        return
    click.echo("\n" + "\n".join(_sources(done)) if done.sources else "")
    click.echo(_summed(done), err=True)


def foreseen(seen: Preview) -> str:
    """A preview for people."""
    cost = "price unknown" if seen.cost_usd is None else f"{seen.cost_usd:.4f} USD"
    return (
        f"{seen.model}, {seen.method}: {seen.parts} parts, {seen.calls} calls; at most "
        f"{seen.prompt_tokens:,} tokens read and {seen.completion_tokens:,} written, {cost}."
    )


def _sources(done: Done) -> list[str]:
    """Where in the file what is cited stands."""
    cited = (each for each in done.sources if each.cited)
    return [
        " ".join(filter(None, (f"[{each.n}]", each.section, _page(each.page), each.url)))
        for each in cited
    ]


def _page(page: int | None) -> str:
    return "" if page is None else f"page {page}"


def _summed(done: Done) -> str:
    read = done.long_document or {"method": "whole", "calls": 1}
    if read["method"] == "extract":
        return (
            "These are sentences of the file, word for word: no model wrote a summary. Configure "
            "a provider for one in words of its own."
        )
    usage = done.usage
    cut = read.get("cut")
    return (
        f"{done.model}, {read['method']}: {read['calls']} calls, {usage.prompt:,} tokens read, "
        f"{usage.completion:,} written, {done.cost_usd:.4f} USD."
        + (f" {cut} notes on the way were cut: something may be missing." if cut else "")
    )
