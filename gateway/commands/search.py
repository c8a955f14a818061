"""`moorline search`: what a question finds in a collection, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.common import config_option, loaded
from gateway.config import Config
from retrieval.filters import condition
from retrieval.types import BadFilter, RetrievalError

if TYPE_CHECKING:
    from gateway.searching import Found, Place, Searching, Served

_SNIPPET = 160
_STAGES = {
    "bm25": "BM25",
    "dense": "dense",
    "fused": "fused",
    "token vectors": "token vectors",
    "reranked": "reranked",
}
_SHOWN = 10
"""Of each stage and each reason, unless everything is asked for as JSON."""


@click.command()
@click.argument("query")
@click.option("--collection", help="Collection to search; grounding.collection where not given.")
@click.option("--top", "top_k", type=click.IntRange(1, 50), help="So many; retrieval.top_k else.")
@click.option("--filter", "where", help='On metadata: region = "EU" and year >= 2024.')
@click.option("--explain", is_flag=True, help="Show each stage's ranks and what was dropped why.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@config_option
def search(
    query: str,
    collection: str | None,
    top_k: int | None,
    where: str | None,
    explain: bool,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Find passages as an answer would be grounded on them, best first."""
    from gateway.searching import Searching, as_dict

    config = loaded(config_file)
    name = collection or config.grounding.collection or "default"
    asked = Searching(query, name, top_k, _filter(where))
    try:
        found = asyncio.run(_found(config, asked))
    except RetrievalError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(as_dict(found)) if as_json else told(found, explain))


async def _found(config: Config, asked: Searching) -> Found:
    from gateway.searching import opened

    async with opened(config) as searcher:
        return await searcher.found(asked)


def told(found: Found, explain: bool) -> str:
    """The result for people."""
    if not found.served:
        return f"Nothing was found in {found.collection!r}."
    lines = [line for served in found.served for line in _passage(served)]
    lines += [f"! {note}" for note in found.notes]
    if explain:
        lines += ["", *_explained(found)]
    return "\n".join(lines)


def _passage(served: Served) -> list[str]:
    where = [served.document, served.section, f"page {served.page}" if served.page else ""]
    scores = ", ".join(_scored(served))
    text = " ".join(served.text.split())
    lines = [f"{served.rank:2}. {' › '.join(part for part in where if part)}", f"    {scores}"]
    lines.append(f"    {text[:_SNIPPET]}{'…' if len(text) > _SNIPPET else ''}")
    if served.also:
        lines.append(f"    the same in: {', '.join(served.also)}")
    return lines


def _scored(served: Served) -> list[str]:
    """Each stage's rank and score."""
    scores = {"reranked": served.scores.get("rerank"), **served.scores}
    return [
        f"{shown} #{served.ranks[stage]} ({scores[stage]:.3f})"
        for stage, shown in _STAGES.items()
        if stage in served.ranks
    ]


def _explained(found: Found) -> list[str]:
    lines = [
        f"read as {', '.join(found.languages)}; terms: {' '.join(found.terms)}",
        *(f"also looked for: {one}" for one in found.corrected),
        *_expanded(found.expansion),
        f"encoded in {found.encode_ms:.1f} ms, searched in {found.search_ms:.1f} ms",
    ]
    for stage, places in found.stages.items():
        lines += ["", f"{_STAGES.get(stage, stage)}: {len(places)} passages", *_listed(places)]
    for why, places in found.dropped.items():
        lines += ["", f"dropped, {why}: {len(places)} passages", *_listed(places)]
    return lines


def _expanded(expansion: Mapping[str, Any]) -> Iterator[str]:
    """What else was searched, and what that took."""
    if not expansion:
        return
    took = f"{expansion['kind']} in {expansion['ms']:.0f} ms"
    if tokens := expansion.get("tokens"):
        took += f" by {expansion['model']}: {tokens['prompt']} tokens read"
        took += f", {tokens['completion']} written, {expansion['cost_usd']:.6f} USD"
    yield took
    for number, text in enumerate(expansion.get("queries", ()), start=1):
        yield f"  wording {number}: {text[:_SNIPPET]}{'…' if len(text) > _SNIPPET else ''}"
    yield from (f"! {note}" for note in expansion.get("notes", ()))


def _listed(places: Any) -> list[str]:
    shown: list[Place] = places[:_SHOWN]
    lines = [f"  {one.rank:3}. {one.score or 0:8.3f}  {one.document}" for one in shown]
    more = len(places) - len(shown)
    return [*lines, f"       and {more} more"] if more > 0 else lines


def _filter(text: str | None) -> str | dict[str, Any] | None:
    """As in a request's `moorline.filter`: text, or an object as JSON."""
    if text is None:
        return None
    try:
        where: str | dict[str, Any] = json.loads(text) if text.lstrip().startswith("{") else text
        condition(where)
    except (ValueError, BadFilter) as error:
        raise click.BadParameter(f"{error}") from error
    return where
