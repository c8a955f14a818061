"""Fits a small network by Adam: numpy alone, the same result for the same seed.

Two losses: one sentence out of a passage's many (the likelihood of choosing a right one), and yes
or no. Several networks with few hidden units each are fitted and averaged into one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.support.network import Network

Array: TypeAlias = NDArray[Any]
Slope: TypeAlias = Callable[[Array, Array], Array]
"""From the rows of a batch and their scores to the loss's derivatives by the scores."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is fitted."""

    units: int = 8  # of each network
    networks: int = 4
    epochs: int = 15
    rate: float = 0.01
    decay: float = 3e-3
    batch: int = 64
    seed: int = 13


def fit_choice(
    inputs: Sequence[str], lists: Sequence[Array], right: Sequence[Array], recipe: Recipe
) -> Network:
    """To tell the right rows of each list. Lists without a right one teach nothing."""
    kept = [(rows, mark) for rows, mark in zip(lists, right, strict=True) if mark.any()]
    longest = max(len(rows) for rows, _ in kept)
    x = np.zeros((len(kept), longest, len(inputs)), dtype=np.float32)
    y = np.zeros((len(kept), longest), dtype=np.float32)
    there = np.zeros((len(kept), longest), dtype=np.float32)
    for i, (rows, mark) in enumerate(kept):
        x[i, : len(rows)], y[i, : len(rows)], there[i, : len(rows)] = rows, mark, 1
    mean, scale = _standard(np.concatenate([rows for rows, _ in kept]))
    x = ((x - mean) / scale * there[..., None]).astype(np.float32)

    def slope(chosen: Array, scores: Array) -> Array:
        shares = _softmax(scores + (there[chosen] - 1) * 1e9)
        among = shares * y[chosen]
        return np.asarray(shares - among / (among.sum(axis=1, keepdims=True) + 1e-9))

    return _merged(inputs, mean, scale, [_fit(x, slope, recipe, n) for n in range(recipe.networks)])


def fit_answer(
    inputs: Sequence[str], rows: Array, yes: Array, weights: Array, recipe: Recipe
) -> Network:
    """The logarithm of the odds that a row is a yes."""
    mean, scale = _standard(rows)
    x = ((rows - mean) / scale).astype(np.float32)

    def slope(chosen: Array, scores: Array) -> Array:
        return np.asarray((1 / (1 + np.exp(-scores)) - yes[chosen]) * weights[chosen])

    return _merged(inputs, mean, scale, [_fit(x, slope, recipe, n) for n in range(recipe.networks)])


def _standard(rows: Array) -> tuple[Array, Array]:
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale < 1e-4, 1, scale).astype(np.float32)


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _fit(x: Array, slope: Slope, recipe: Recipe, number: int) -> dict[str, Array]:
    """One network's weights. `slope` is the loss's derivative by the scores of a batch."""
    random = np.random.default_rng([recipe.seed, number])
    size, units = x.shape[-1], recipe.units
    weights: dict[str, Array] = {
        "bias": np.zeros(1, dtype=np.float32),
        "linear": np.zeros(size, dtype=np.float32),
        "hidden": _drawn(random, (size, units), size**-0.5),
        "shift": np.zeros(units, dtype=np.float32),
        "out": _drawn(random, (units,), 0.5 * max(1, units) ** -0.5),
    }
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    steps = recipe.epochs * -(-len(x) // recipe.batch)
    step = 0
    for _ in range(recipe.epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), recipe.batch):
            step += 1
            chosen = order[start : start + recipe.batch]
            slopes = _slopes(weights, x[chosen], slope, chosen)
            rate = recipe.rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for name, value in weights.items():
                gradient = slopes[name] + recipe.decay * value * (name != "bias")
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.999 * second[name] + 0.001 * gradient**2
                move = first[name] / (1 - 0.9**step)
                move = move / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
                weights[name] = (value - rate * move).astype(np.float32)
    return weights


def _slopes(weights: dict[str, Array], x: Array, slope: Slope, chosen: Array) -> dict[str, Array]:
    rows = x.reshape(-1, x.shape[-1])
    units = np.tanh(rows @ weights["hidden"] + weights["shift"])
    scores = rows @ weights["linear"] + units @ weights["out"] + weights["bias"]
    by_score = slope(chosen, scores.reshape(x.shape[:-1])).reshape(-1) / len(x)
    by_unit = by_score[:, None] * weights["out"] * (1 - units**2)
    return {
        "bias": by_score.sum(keepdims=True),
        "linear": rows.T @ by_score,
        "hidden": rows.T @ by_unit,
        "shift": by_unit.sum(axis=0),
        "out": units.T @ by_score,
    }


def _drawn(random: np.random.Generator, shape: tuple[int, ...], scale: float) -> Array:
    return (random.normal(size=shape) * scale).astype(np.float32)


def _merged(
    inputs: Sequence[str], mean: Array, scale: Array, fitted: Sequence[dict[str, Array]]
) -> Network:
    """The average of several networks is one network with all their units."""
    many = len(fitted)
    return Network(
        inputs=tuple(inputs),
        mean=mean,
        scale=scale,
        linear=np.asarray(sum(each["linear"] for each in fitted) / many, dtype=np.float32),
        bias=float(sum(each["bias"][0] for each in fitted) / many),
        hidden=np.concatenate([each["hidden"] for each in fitted], axis=1),
        shift=np.concatenate([each["shift"] for each in fitted]),
        out=np.concatenate([each["out"] / many for each in fitted]),
    )
