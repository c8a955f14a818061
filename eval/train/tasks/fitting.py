"""Fits the model of tasks: a linear one over the embedding and the marks, by Adam in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from eval.train.tasks.material import Request
from retrieval.types import Vectors
from routing.config import Task
from routing.tasks import Tasks, row, softmax

Array: TypeAlias = NDArray[Any]
NAMES: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is fitted. Decay and `sure` did best on sources that were held out whole."""

    decay: float = 0.1
    sure: float = 0.6
    steps: int = 300
    rate: float = 0.03


def fitted(known: Sequence[Request], vectors: Vectors, encoder: str, recipe: Recipe) -> Tasks:
    """To all of them. There is no chance in it."""
    x = np.stack([row(each.text, v) for each, v in zip(known, vectors, strict=True)])
    places = np.asarray([NAMES.index(each.task) for each in known])
    wanted, weights = np.eye(len(NAMES))[places], _weights(known)
    found = np.zeros((x.shape[1], len(NAMES)))
    first, second = np.zeros_like(found), np.zeros_like(found)
    for step in range(1, recipe.steps + 1):
        wrong = (softmax(x @ found) - wanted) * weights[:, None]
        slope = x.T @ wrong / len(x) + recipe.decay * found
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        found -= recipe.rate * (1 - step / recipe.steps) * move
    return Tasks(encoder, NAMES, found.astype(np.float32), recipe.sure)


def _weights(known: Sequence[Request]) -> Array:
    """What a source has much of one task counts less; what people wrote counts twice."""
    kinds = [f"{each.source} {each.task}" for each in known]
    _, place, sizes = np.unique(kinds, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(sizes[place])
    weights[[each.source == "instructions" for each in known]] *= 2
    return np.asarray(weights / weights.mean())
