"""From outcomes to a model of complexity in a folder, and what it is worth on unseen questions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from eval.cost_quality import figures
from eval.remembered import embedded
from eval.train.router.fitting import Array, Recipe, Rows, completed, fitted, held_out
from eval.train.router.outcomes import BadOutcomes, Outcome
from gateway.config import Config

FEWEST = 300  # questions, below which there is nothing to learn from and nothing to judge by


def trained(
    outcomes: Sequence[Outcome], source: str, out: Path, config: Config, cache: Path, recipe: Recipe
) -> str:
    """Fit, write the folder, and tell the figures. Raises BadOutcomes."""
    if len(outcomes) < FEWEST:
        raise BadOutcomes(f"{source} has {len(outcomes)} questions; {FEWEST} are needed.")
    name, vectors = asyncio.run(embedded([each.question for each in outcomes], config, cache))
    rows = Rows.of(outcomes, vectors)
    for side in ("cheap", "strong"):
        if np.isnan(getattr(rows, side)).all():
            raise BadOutcomes(f"{source} says nothing of the {side} model.")
    rows = completed(rows, recipe)
    if rows.strong.mean() <= rows.cheap.mean():
        raise BadOutcomes(f"In {source} the strong model is no better than the cheap one.")
    gains = held_out(rows, recipe)
    model = fitted(rows, name, recipe, gains)
    model.save(out, {"fitted to": source, "questions": len(rows), "recipe": asdict(recipe)})
    return _report(rows, gains)


def _report(rows: Rows, gains: Array) -> str:
    cheap, strong = rows.cheap.mean(), rows.strong.mean()
    lines = [f"{len(rows)} questions; quality {cheap:.3f} cheap, {strong:.3f} strong; held out:"]
    for name, wanted in (("by length", rows.looks[:, 0]), ("by the model", gains)):
        found = figures(wanted, rows.cheap, rows.strong)
        lines.append(
            f"{name:14} APGR {found['apgr']}, strong calls for 95 % of the strong model's quality "
            f"{found['keep95']}, for 98 % {found['keep98']}"
        )
    return "\n".join(lines)
