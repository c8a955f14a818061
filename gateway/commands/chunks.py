"""`moorline ingest --dry-run`: what would be stored, passage by passage, and nothing is.

No index is opened and no gateway asked. Only a chunker that parts by meaning runs the encoder; all
others need its tokenizer alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import click

from gateway.config import Config
from retrieval.chunking.chosen import chunker, recipe
from retrieval.chunking.measure import Count
from retrieval.ingestion.reading import Reader
from retrieval.parsing.draft import Unreadable
from retrieval.sources.types import Item, Listing, Source
from retrieval.types import Document, Metadata, Passage

_RULE = "│ "


@dataclass(frozen=True, slots=True)
class Split:
    """A document as it would be stored."""

    document: Document
    passages: Sequence[Passage]
    tokens: Sequence[int]  # of each passage, as embedded


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that would not be stored, and why."""

    shown: str
    reason: str


Outcome: TypeAlias = Split | Refused


async def show(
    config: Config,
    collection: str,
    source: Source,
    *,
    meta: Metadata = MappingProxyType({}),
    chunks: bool,
    as_json: bool,
) -> bool:
    """Print what would be stored of a source; whether all of it could be read. `meta` is said of
    every document. Raises BadSource, RetrievalError."""
    from gateway.backends import open_encoder

    whole = True
    settings = config.retrieval.of(collection)
    async with open_encoder(config) as encoder:
        reader = Reader(chunker(settings, encoder).split, recipe(settings, encoder), meta)
        async with aclosing(outcomes(source, reader, encoder.count)) as found:
            async for each in found:
                whole = whole and isinstance(each, Split)
                _tell(each, chunks, as_json)
    return whole


async def outcomes(source: Source, reader: Reader, count: Count) -> AsyncGenerator[Outcome]:
    """Each item in its order, one at a time: what is shown is not held."""
    listing = Listing()
    items = iter(source.items(listing))
    while (item := await asyncio.to_thread(next, items, None)) is not None:
        yield await asyncio.to_thread(_outcome, item, reader, count)
    for shown, reason in listing.unlisted:
        yield Refused(shown, reason)


def _outcome(item: Item, reader: Reader, count: Count) -> Outcome:
    try:
        document = reader.document(item, item.read())
    except Unreadable as error:
        return Refused(item.shown or item.source, error.reason)
    passages = reader.split(document)
    return Split(document, passages, [count(passage.embedded) for passage in passages])


def _tell(outcome: Outcome, chunks: bool, as_json: bool) -> None:
    match outcome:
        case Refused(shown, reason):
            click.echo(f"{shown}: {reason}", err=True)
        case Split() if as_json:
            for known in as_dicts(outcome) if chunks else [_summary(outcome)]:
                click.echo(json.dumps(known, ensure_ascii=False))
        case Split():
            click.echo(_headline(outcome))
            for line in _lines(outcome) if chunks else ():
                click.echo(line)


def as_dicts(split: Split) -> Iterator[dict[str, Any]]:
    """Its passages as JSON carries them."""
    for passage, tokens in zip(split.passages, split.tokens, strict=True):
        yield {
            "document": passage.document,
            "ordinal": passage.ordinal,
            "page": passage.page,
            "title": passage.title,
            "headings": list(passage.headings),
            "tokens": tokens,
            "start": passage.start,
            "end": passage.end,
            "parent": list(passage.parent) if passage.parent else None,
            "embedded": passage.embedded,
        }


def _summary(split: Split) -> dict[str, Any]:
    return {
        "document": split.document.source,
        "title": split.document.title,
        "passages": len(split.passages),
        "tokens": sum(split.tokens),
        "longest": max(split.tokens, default=0),
    }


def _headline(split: Split) -> str:
    known = _summary(split)
    return (
        f"{known['document']}: {known['passages']} passages, {known['tokens']} tokens, "
        f"the longest {known['longest']}"
    )


def _lines(split: Split) -> Iterator[str]:
    for passage, tokens in zip(split.passages, split.tokens, strict=True):
        said = [f"#{passage.ordinal}", f"{tokens} tokens"]
        if passage.page is not None:
            said.append(f"page {passage.page}")
        if passage.headings:
            said.append(" › ".join(passage.headings))
        if passage.parent:
            said.append("read with #{}–#{}".format(*passage.parent))
        yield ""
        yield " · ".join(said)
        yield from (_RULE + line for line in passage.embedded.split("\n"))
    yield ""
