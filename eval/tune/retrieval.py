"""`moorline tune retrieval`: the weight of the dense half that finds best in one collection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import click

from eval.tune.questions import BadQuestions, Wanted, made, read
from eval.tune.weights import FEW, Answered, Fit, fit
from gateway.commands.common import config_option, loaded
from gateway.config import Config
from gateway.searching import Found, Place, Sampled, Searching, opened
from retrieval.config import RetrievalConfig
from retrieval.types import Hit, Legs, Passage, RetrievalError

_BIAS = (
    "These questions were made of the collection's own passages; nobody asked them. Sentences left "
    "out favour the dense half, keywords favour BM25: take the weight for a hint, and fit it on "
    "questions of your users (--questions) when you have fifty."
)


class Searcher(Protocol):
    """What is asked: here, or a gateway that holds the index."""

    async def found(self, asked: Searching) -> Found: ...

    async def sample(self, collection: str, many: int) -> list[Sampled]: ...


@click.command("retrieval")
@click.option("--collection", help="The collection; grounding.collection where not given.")
@click.option(
    "--questions",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='JSON lines: {"question": "…", "document": "…"}.',
)
@click.option("--synthetic", type=click.IntRange(min=10), help="Make so many of the passages.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@config_option
def command(
    collection: str | None,
    file: Path | None,
    synthetic: int | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Fit the weight of both halves, on questions with the documents that answer them.

    Nothing is written: the settings to paste are printed. The weight is judged on questions that
    it was not fitted on."""
    if (file is None) == (synthetic is None):
        raise click.UsageError("Give --questions FILE, or --synthetic N to make some.")
    config = loaded(config_file)
    name = collection or config.grounding.collection or "default"
    try:
        wanted = read(file) if file else None
        fitted, unknown = asyncio.run(_fitted(config, name, wanted, synthetic or 0))
    except (BadQuestions, RetrievalError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"collection": name, "unknown": unknown, **asdict(fitted)}))
        return
    click.echo(told(name, config.retrieval.of(name), fitted, unknown))
    if synthetic:
        click.echo(f"\n{_BIAS}")


async def _fitted(
    config: Config, collection: str, wanted: Sequence[Wanted] | None, synthetic: int
) -> tuple[Fit, int]:
    """The fit, and how many questions were left out since no document of theirs is known."""
    async with opened(config) as searcher:
        if wanted is None:
            wanted = await synthesised(searcher, collection, synthetic)
        answered = [each async for each in _asked(searcher, collection, wanted)]
    if not answered:
        raise BadQuestions("No question finds a document that was named for it.")
    own = config.retrieval.of(collection)
    present = None if own.fusion == "reciprocal" else own.dense_weight
    return fit(answered, present), len(wanted) - len(answered)


async def synthesised(searcher: Searcher, collection: str, many: int) -> list[Wanted]:
    """Questions made of passages that were taken at random."""
    return list(made(await searcher.sample(collection, many)))


async def _asked(
    searcher: Searcher, collection: str, wanted: Sequence[Wanted]
) -> AsyncIterator[Answered]:
    """Both ranked lists of each question; one of which neither finds a document says nothing."""
    with click.progressbar(wanted, label="asking", show_pos=True) as bar:
        for each in bar:
            found = await searcher.found(Searching(each.text, collection))
            legs = Legs(_hits(found, "dense", each), _hits(found, "bm25", each))
            seen = {hit.passage.document for leg in (legs.dense, legs.sparse) for hit in leg}
            if seen & each.documents.keys():
                yield Answered(legs, each.documents)


def _hits(found: Found, stage: str, wanted: Wanted) -> list[Hit]:
    """Of a passage only its name and its document matter here."""
    places: Sequence[Place] = found.stages.get(stage, ())
    return [
        Hit(Passage(one.passage, one.document, "", 0, "", (), "", 0, 0), one.score or 0.0)
        for one in places
        if one.passage != wanted.without
    ]


def told(collection: str, config: RetrievalConfig, fitted: Fit, unknown: int) -> str:
    """The fit for people, with what to paste."""
    present = (
        "reciprocal ranks" if config.fusion == "reciprocal" else f"weight {config.dense_weight:g}"
    )
    rows = {
        "BM25 alone": fitted.sparse,
        "dense alone": fitted.dense,
        "reciprocal ranks": fitted.reciprocal,
        f"as it is ({present})": fitted.present,
        "fitted, on questions held out": fitted.fitted,
    }
    lines = [
        f"{collection}: {fitted.questions} questions, nDCG@10 [95 % interval]"
        + (f"; {unknown} find none of their documents and are left out" if unknown else ""),
        *(f"  {name:32}{figure!s:>22}" for name, figure in rows.items()),
        f"  best weight {fitted.weight:g} [{fitted.low:g}, {fitted.high:g}]; held out it gains "
        f"{fitted.gain:+} over the present setting",
        *_warnings(fitted),
        "",
        *_advice(collection, fitted),
    ]
    return "\n".join(lines)


def _warnings(fitted: Fit) -> list[str]:
    lines = []
    if fitted.questions < FEW:
        lines.append(f"! Fewer than {FEW} questions: only a gross difference would show.")
    if fitted.beside_best_half.mean <= 0:
        half = "BM25" if fitted.sparse.mean > fitted.dense.mean else "The dense half"
        lines.append(f"! {half} alone finds as well as any blend of the two.")
    return lines


def _advice(collection: str, fitted: Fit) -> list[str]:
    if fitted.gain.low <= 0:
        return [
            "These questions do not show that another weight is better than the present one: the "
            "interval of the gain holds zero. Leave it."
        ]
    block = [f"[retrieval.collections.{collection}]", 'fusion = "weighted"']
    return ["Paste into moorline.toml:", "", *block, f"dense_weight = {fitted.weight:g}"]
