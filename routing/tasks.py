"""What a request is for, told by its one embedding and by its words.

A linear model that says how sure it is. Where it is not sure the word lists of features.py decide,
as they do where there is no embedding. What it was fitted to is in packaged/CARD.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vector
from routing.complexity import BadModel
from routing.config import Task
from routing.features import TASKS, marks, task_by_words

PACKAGED = Path(__file__).parent / "packaged" / "tasks"
_MODEL, _WEIGHTS = "model.json", "weights.npy"
MARKS = (*TASKS, "greeting", "question mark", "length", "lines")
"""What is read beside the vector."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """A fitted model."""

    encoder: str  # the model whose vectors it reads
    names: tuple[Task, ...]
    weights: NDArray[np.float32]  # (vector, marks and 1, names)
    sure: float  # probability from which on the word lists are not asked

    def task(self, question: str, vector: Vector) -> Task:
        """The likeliest, or what the words say."""
        likely = self.probabilities(question, vector)
        best = int(likely.argmax())
        return self.names[best] if likely[best] >= self.sure else task_by_words(question)

    def probabilities(self, question: str, vector: Vector) -> NDArray[np.float64]:
        """Of each name."""
        likely: NDArray[np.float64] = softmax(row(question, vector)[None, :] @ self.weights)[0]
        return likely

    @classmethod
    def load(cls, folder: Path = PACKAGED) -> Self:
        """From its folder. Raises BadModel."""
        try:
            stored = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
            weights = np.load(folder / _WEIGHTS, allow_pickle=False).astype(np.float32)
            names = tuple(stored["names"])
            model = cls(str(stored["encoder"]), names, weights, float(stored["sure"]))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise BadModel(f"{folder} holds no model of tasks: {error}") from None
        if tuple(stored["marks"]) != MARKS or not set(names) <= set(get_args(Task)):
            raise BadModel(f"{folder} was fitted to other marks or tasks; train it again.")
        if weights.ndim != 2 or weights.shape[1] != len(names):
            raise BadModel(f"The files in {folder} do not belong together.")
        return model

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write it there; `about` says what it was fitted to, for who reads the file."""
        folder.mkdir(parents=True, exist_ok=True)
        stored = {
            **about,
            "encoder": self.encoder,
            "names": self.names,
            "marks": MARKS,
            "sure": self.sure,
        }
        (folder / _MODEL).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        np.save(folder / _WEIGHTS, self.weights.astype(np.float16), allow_pickle=False)


def row(question: str, vector: Vector) -> NDArray[np.float32]:
    """What the model reads, each of about the same spread."""
    seen = [
        *map(float, marks(question)),
        float("?" in question),
        math.log1p(len(question)) / 4,
        math.log1p(question.count("\n")) / 2,
        1.0,
    ]
    spread = math.sqrt(len(vector))
    return np.concatenate([vector * spread, np.asarray(seen, dtype=np.float32)], dtype=np.float32)


def softmax(odds: NDArray[Any]) -> NDArray[np.float64]:
    powers = np.exp(odds - odds.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
