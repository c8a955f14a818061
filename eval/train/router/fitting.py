"""Fits a model of complexity: how well each model does on a question, and what to make of it.

The probability and the operating points come from fits that had not seen the question's subject,
or, where no subjects are named, the question: parts, each judged by the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import lightgbm
import numpy as np
from numpy.typing import NDArray

from eval.cost_quality import curve
from eval.train.forests import exported
from eval.train.router.outcomes import Outcome
from retrieval.forest import Forest
from retrieval.types import Vectors
from routing.complexity import Complexity, sigmoid
from routing.cues import cues
from routing.operating import OperatingPoints, points_of

Array: TypeAlias = NDArray[Any]
_LEVELS = 100  # operating points besides "never"
_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is fitted."""

    axes: int = 48
    trees: int = 250
    leaves: int = 15
    rate: float = 0.03
    least: int = 40  # questions in a leaf
    bags: int = 3  # forests that are averaged
    parts: int = 10
    seed: int = 13


@dataclass(frozen=True, slots=True)
class Rows:
    """Questions as the model reads them, but for the axes, with what came of each."""

    vectors: Vectors
    looks: Array  # cues
    cheap: Array  # not a number where that model was not asked
    strong: Array
    subjects: Array

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], vectors: Vectors) -> Rows:
        return cls(
            vectors,
            np.asarray([cues(each.question) for each in outcomes], dtype=np.float32),
            np.asarray([each.cheap for each in outcomes], dtype=np.float64),
            np.asarray([each.strong for each in outcomes], dtype=np.float64),
            np.asarray([each.subject for each in outcomes]),
        )

    @property
    def weights(self) -> Array:
        """A large subject counts more than a small one, but not by as much as it is larger."""
        _, place, sizes = np.unique(self.subjects, return_inverse=True, return_counts=True)
        weights = 1 / np.sqrt(sizes[place])
        return np.asarray(weights / weights.mean())

    def without_subjects(self) -> Rows:
        """The same, each question by itself."""
        return replace(self, subjects=np.full(len(self), ""))

    def __getitem__(self, places: Array) -> Rows:
        return Rows(*(getattr(self, name)[places] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.looks)


def fitted(rows: Rows, encoder: str, recipe: Recipe, held: Array) -> Complexity:
    """To all rows; calibrated on the gains that were expected of each when it was held out."""
    shift, slope = calibrated(held, rows.cheap, rows.strong)
    axes = axes_of(rows.vectors, recipe.axes)
    read = np.concatenate([rows.vectors @ axes, rows.looks], axis=1, dtype=np.float32)
    return Complexity(
        encoder=encoder,
        axes=axes,
        cheap=forest_of(read, rows.cheap, rows.weights, recipe),
        strong=forest_of(read, rows.strong, rows.weights, recipe),
        usual=np.median(read, axis=0).astype(np.float32),
        shift=shift,
        slope=slope,
        points=operating(sigmoid(shift + slope * held), rows.cheap, rows.strong),
    )


def held_out(rows: Rows, recipe: Recipe) -> Array:
    """For each row the gain that a fit to the other parts expects."""
    part = parts(rows.subjects, recipe)
    gains = np.zeros(len(rows))
    for here in (part == number for number in np.unique(part)):
        gains[here] = gain(rows[~here], rows[here], recipe)
    return gains


def gain(known: Rows, asked: Rows, recipe: Recipe) -> Array:
    """What the strong model is expected to gain on other questions."""
    strong, cheap = (_expected(known, side, asked, recipe) for side in (known.strong, known.cheap))
    return np.asarray(strong - cheap)


def completed(rows: Rows, recipe: Recipe) -> Rows:
    """Where one model was not asked, what is expected of it stands in for its outcome."""
    sides = {}
    for name in ("cheap", "strong"):
        side: Array = getattr(rows, name).copy()
        missing = np.isnan(side)
        if missing.any():
            known = rows[~missing]
            side[missing] = _expected(known, side[~missing], rows[missing], recipe)
        sides[name] = side
    return replace(rows, **sides)


def parts(subjects: Array, recipe: Recipe) -> Array:
    """Whole subjects in one part where there are enough of them, else single questions."""
    names, place = np.unique(subjects, return_inverse=True)
    dice = np.random.default_rng(recipe.seed)
    if len(names) < recipe.parts:
        return dice.permutation(len(subjects)) % recipe.parts
    return np.asarray((dice.permutation(len(names)) % recipe.parts)[place])


def axes_of(vectors: Vectors, many: int) -> NDArray[np.float32]:
    """Principal axes, the widest first. Trees do not care where the middle is."""
    spread = vectors - vectors.mean(axis=0)
    _, found = np.linalg.eigh(spread.T @ spread)
    return np.ascontiguousarray(found[:, ::-1][:, :many], dtype=np.float32)


def forest_of(read: Array, quality: Array, weights: Array, recipe: Recipe) -> Forest:
    """Log-odds of a quality: the mean of some forests that differ by chance alone."""
    settings = {
        "objective": "cross_entropy",
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.rate,
        "min_data_in_leaf": recipe.least,
        "extra_trees": True,  # thresholds by chance: subjects are not learned by heart
        "feature_fraction": 0.15,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "num_threads": 1,
        "deterministic": True,
        "verbose": -1,
    }
    return exported(
        [
            lightgbm.train(
                {**settings, "seed": recipe.seed + bag},
                lightgbm.Dataset(read, quality, weight=weights, params={"verbose": -1}),
                recipe.trees,
            )
            for bag in range(recipe.bags)
        ]
    )


def calibrated(gains: Array, cheap: Array, strong: Array) -> tuple[float, float]:
    """Shift and slope of the log-odds that the strong model would not have been better (Platt).

    What is lost counts by how much, so that of scores between 0 and 1 it is the expected loss."""
    fine = 1 - np.clip(strong - cheap, 0, 1)
    x = np.stack([np.ones(len(gains)), gains], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        likely = sigmoid(x @ weights)
        bend = (x * (likely * (1 - likely))[:, None]).T @ x + 1e-9 * np.eye(2)
        weights = weights + np.linalg.solve(bend, x.T @ (fine - likely))
    return float(weights[0]), float(weights[1])


def operating(probability: Array, cheap: Array, strong: Array) -> OperatingPoints:
    """What each share of strong calls comes to on these held-out questions."""
    order = np.argsort(probability, kind="stable")
    ranked, many = probability[order], len(order)
    places = [round(level * many / _LEVELS) for level in range(1, _LEVELS)]
    thresholds = [0.0, *(float(ranked[place - 1 : place + 1].mean()) for place in places), 1.0]
    kept = curve(-probability, cheap, strong).quality / strong.mean()
    lows = _lows(np.asarray(thresholds), probability, cheap, strong)
    return points_of(
        thresholds,
        [level / _LEVELS for level in range(_LEVELS + 1)],
        [float(kept[place]) for place in (0, *places, many)],
        lows,
    )


def _lows(thresholds: Array, probability: Array, cheap: Array, strong: Array) -> list[float]:
    """The lower ends of the 95 % intervals, over resamples of the questions."""
    dice, many = np.random.default_rng(0), len(probability)
    asked = probability[:, None] < thresholds[None, :]
    answered = np.where(asked, strong[:, None], cheap[:, None])
    kept = []
    for _ in range(_RESAMPLES):
        drawn = np.bincount(dice.integers(0, many, many), minlength=many)
        kept.append(drawn @ answered / (drawn @ strong))
    return [float(low) for low in np.percentile(np.asarray(kept), 2.5, axis=0)]


def _expected(known: Rows, quality: Array, asked: Rows, recipe: Recipe) -> Array:
    """A model's quality on other questions."""
    axes = axes_of(known.vectors, recipe.axes)
    read, unread = (
        np.concatenate([each.vectors @ axes, each.looks], axis=1, dtype=np.float32)
        for each in (known, asked)
    )
    return sigmoid(forest_of(read, quality, known.weights, recipe).predict(unread))
