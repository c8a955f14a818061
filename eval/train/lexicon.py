"""The table of common words: how many texts have each, and which are near in meaning.

Nearness is the cosine of single words in the built-in encoder, so the table costs no encoding when
a question is asked. Texts are those that are for training; of each only counts are kept.

    python -m eval.train.lexicon --data ../shared/data --out retrieval/support/lexicon.json
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.train.material import clapnq, squad
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Vectors
from retrieval.words import query_terms, terms

_WORD = re.compile(r"[A-Za-z][a-z]{2,}")
_PIECE = 900  # characters of a long text that count as one
_LONGEST = 400_000
_CORPORA = ("finance", "pubmed", "state_of_the_union", "wikitexts")


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seen", default=3, show_default=True, help="Least occurrences of a word.")
@click.option("--least", default=0.6, show_default=True, help="Least likeness that is kept.")
@click.option("--most", default=8, show_default=True, help="Most words kept for one.")
def command(data: Path, out: Path, seen: int, least: float, most: int) -> None:
    """Write the lexicon that retrieval/support reads."""
    texts = list(_texts(data))
    frequencies: Counter[str] = Counter()
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        frequencies.update(set(terms(text)))
        for word in _WORD.findall(text):
            for stem in query_terms(word.lower())[:1]:
                written[stem][word.lower()] += 1
    common = {stem: words.most_common(1)[0][0] for stem, words in written.items()
              if words.total() >= seen}  # fmt: skip
    table: dict[str, Any] = {
        "documents": len(texts),
        "frequencies": {term: n for term, n in sorted(frequencies.items()) if n >= seen},
        "near": asyncio.run(_near(common, least, most)),
    }
    out.write_text(json.dumps(table, separators=(",", ":"), ensure_ascii=False) + "\n")
    click.echo(f"{len(texts)} texts, {len(table['frequencies'])} terms, {len(table['near'])} near")


def _texts(data: Path) -> Iterator[str]:
    world = squad(data)
    for paragraph in world.training:
        yield paragraph.text
        yield from (question.text for question in paragraph.questions)
    for paragraph in clapnq(data):
        yield paragraph.text
    folder = data / "chunking_eval/chunking_evaluation/evaluation_framework"
    for name in _CORPORA:
        text = (folder / f"general_evaluation_data/corpora/{name}.md").read_text()[:_LONGEST]
        yield from (text[i : i + _PIECE] for i in range(0, len(text), _PIECE))


async def _near(common: dict[str, str], least: float, most: int) -> dict[str, dict[str, int]]:
    """In hundredths, likest first."""
    stems = sorted(common)
    with tempfile.TemporaryDirectory() as folder:
        encoder = MiniLM(MiniLMEncoder(precision="fp32"), Path(folder))
        try:
            vectors = await encoder.passages([common[stem] for stem in stems])
        finally:
            await encoder.aclose()
    return {stem: near for i, stem in enumerate(stems)
            if (near := _nearest(i, stems, vectors, least, most))}  # fmt: skip


def _nearest(
    i: int, stems: Sequence[str], vectors: Vectors, least: float, most: int
) -> dict[str, int]:
    likeness = vectors @ vectors[i]
    order = np.argsort(-likeness)[: most + 1]
    return {
        stems[j]: round(float(likeness[j]) * 100) for j in order if j != i and likeness[j] >= least
    }


def main(arguments: Sequence[str] | None = None) -> Any:
    return command(arguments)


if __name__ == "__main__":
    main()
