"""Fits the extractive model: which sentence answers, and whether any does.

    python -m eval.train.abstention --data ../shared/data --out retrieval/support

Both are fitted to all training questions. The thresholds, and the figures that are printed, come
from fits that have not seen the question's article: four parts, each judged by the other three.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.metrics import auroc
from eval.train.fitting import Array, Recipe, fit_answer
from eval.train.material import ANSWERABLE, Example, Origin, examples
from eval.train.sentences import fitted, marks
from retrieval.answerable import SIGNS, signs
from retrieval.support.network import Network
from retrieval.support.reading import read

SENTENCES = Recipe(units=8, networks=4, epochs=15, decay=3e-3)
ANSWERS = Recipe(units=0, networks=1, epochs=20, decay=1e-3)
PARTS = 4
STRICT, LENIENT = 0.10, 0.01
"""Shares of answerable questions that may fall below each threshold."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Every example with what fits that had not seen its article made of it."""

    signs: Array
    odds: Array  # logarithms
    answerable: Array  # whether the answer is among what was found
    origins: Sequence[Origin]


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, exists=True))
def command(data: Path, out: Path) -> None:
    """Fit both, write their weights, and print how well unseen articles are judged."""
    found = asyncio.run(examples(data))
    judged = cross_judged(found)
    sentences = fitted(found, SENTENCES)
    network = fit_answer(SIGNS, judged.signs, judged.answerable, _weights(judged.origins), ANSWERS)
    strict, lenient = (threshold(judged, share) for share in (STRICT, LENIENT))
    _write(out / "sentences.json", sentences.stored())
    _write(
        out / "answerable.json",
        {"strict": strict, "lenient": lenient, "network": network.stored()},
    )
    click.echo(report(judged, strict, lenient))


def cross_judged(found: Sequence[Example]) -> Judged:
    """Signs and odds from fits that have not seen the example's article."""
    parts = _parts(found)
    rows = np.zeros((len(found), len(SIGNS)), dtype=np.float32)
    yes = np.zeros(len(found), dtype=np.float32)
    for part in range(PARTS):
        ranker = fitted([e for e, p in zip(found, parts, strict=True) if p != part], SENTENCES)
        for i in np.flatnonzero(parts == part):
            example = found[int(i)]
            reading = read(example.question, example.hits, ranker)
            rows[i], yes[i] = signs(reading), marks(example, reading.found).any()
    origins = [example.origin for example in found]
    odds = np.zeros(len(found), dtype=np.float32)
    for part in range(PARTS):
        odds[parts == part] = _unseen(rows, yes, origins, parts == part)(rows[parts == part])
    return Judged(rows, odds, yes, origins)


def threshold(judged: Judged, share: float) -> float:
    """The probability below which at most this share of the answerable questions falls, of each
    kind of collection: a large one must not outvote the small ones."""
    quantiles = [
        np.quantile(judged.odds[_of(judged.origins, origin)], share)
        for origin in sorted(ANSWERABLE)
    ]
    return float(1 / (1 + np.exp(-min(quantiles))))


def report(judged: Judged, strict: float, lenient: float) -> str:
    """Of each origin, how many are abstained from, and how well told from the answerable."""
    likely = 1 / (1 + np.exp(-judged.odds))
    lines = [f"thresholds: strict {strict:.4f}, lenient {lenient:.4f}"]
    for origin in sorted(set(judged.origins)):
        here = _of(judged.origins, origin)
        line = (
            f"{origin:22}{here.sum():6d} questions; abstained: strict "
            f"{(likely[here] < strict).mean():.3f}, lenient {(likely[here] < lenient).mean():.3f}"
        )
        if origin not in ANSWERABLE:
            beside = _of(judged.origins, _BESIDE[origin])
            area = auroc(likely[beside].tolist(), likely[here].tolist())
            line += f"; AUROC against {_BESIDE[origin]} {area:.3f}"
        lines.append(line)
    return "\n".join(lines)


_BESIDE: Mapping[Origin, Origin] = {
    "squad adversarial": "squad",
    "article gone": "squad",
    "off topic": "squad",
    "gone small": "squad small",
    "clapnq unanswerable": "clapnq",
}


def _unseen(rows: Array, yes: Array, origins: Sequence[Origin], out: Array) -> Network:
    weights = _weights(origins)
    return fit_answer(SIGNS, rows[~out], yes[~out], weights[~out], ANSWERS)


def _weights(origins: Sequence[Origin]) -> Array:
    """All questions alike."""
    return np.ones(len(origins), dtype=np.float32)


def _parts(found: Sequence[Example]) -> Array:
    groups = sorted({example.group for example in found})
    random.Random(SENTENCES.seed).shuffle(groups)
    part = {group: i % PARTS for i, group in enumerate(groups)}
    return np.array([part[example.group] for example in found])


def _of(origins: Sequence[Origin], origin: Origin) -> Array:
    return np.array([each == origin for each in origins])


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    command()
