"""Whether the cheap model will do for a question: a calibrated probability.

Two forests read the question's one embedding, on a few axes, and what the question looks like:
one expects the cheap model's quality, one the strong model's. What lies between them is the gain,
and the probability falls with it. Nothing here knows which models those are or what they cost, and
nothing embeds. What it was fitted to, and what that cannot tell, is in packaged/CARD.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retrieval.forest import BadForest, Forest
from retrieval.types import Vector
from routing.cues import CUES, cues
from routing.operating import OperatingPoints, points_of

PACKAGED = Path(__file__).parent / "packaged" / "complexity"
_MODEL, _AXES, _CHEAP, _STRONG = "model.json", "axes.npy", "cheap.npz", "strong.npz"
EMBEDDING = "embedding"
"""In an explanation: all that the question's vector says, together."""


class BadModel(ValueError):
    """A folder that holds no such model, or one of another version; the message says why."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What made the probability what it is."""

    cheap_will_do: float
    cheap_quality: float  # as far as the question tells, on the scale it was fitted to
    strong_quality: float
    cues: Mapping[str, float]
    contributions: tuple[tuple[str, float], ...]
    """What the probability would lack if one of them were as in the usual question; the largest
    first. They do not add up: trees look at several together."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """A fitted model."""

    encoder: str  # the model whose vectors it reads
    axes: NDArray[np.float32]  # (vector, kept)
    cheap: Forest  # the logarithm of the odds of its quality
    strong: Forest
    usual: NDArray[np.float32]  # the usual question's row
    shift: float
    slope: float  # of the log-odds that the cheap model will do, by gain
    points: OperatingPoints

    def cheap_will_do(self, question: str, vector: Vector) -> float:
        """The probability that the strong model would not have been better. Some tenths of a
        millisecond."""
        return float(self._probabilities(self.row(question, vector)[None, :])[0])

    def explain(self, question: str, vector: Vector) -> Explanation:
        """The same with its reasons; takes milliseconds."""
        row = self.row(question, vector)
        kept = self.axes.shape[1]
        rows = np.tile(row, (len(CUES) + 2, 1))
        rows[1, :kept] = self.usual[:kept]
        places = np.arange(len(CUES))
        rows[2 + places, kept + places] = self.usual[kept:]
        whole, *others = self._probabilities(rows).tolist()
        parts = [
            (name, whole - without)
            for name, without in zip((EMBEDDING, *CUES), others, strict=True)
            if without != whole
        ]
        return Explanation(
            whole,
            float(sigmoid(self.cheap.predict(rows[:1]))[0]),
            float(sigmoid(self.strong.predict(rows[:1]))[0]),
            dict(zip(CUES, row[kept:].tolist(), strict=True)),
            tuple(sorted(parts, key=lambda part: -abs(part[1]))),
        )

    def row(self, question: str, vector: Vector) -> NDArray[np.float32]:
        """What the forest reads."""
        return np.concatenate([vector @ self.axes, np.asarray(cues(question), dtype=np.float32)])

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        gain = sigmoid(self.strong.predict(rows)) - sigmoid(self.cheap.predict(rows))
        return sigmoid(self.shift + self.slope * gain)

    @classmethod
    def load(cls, folder: Path = PACKAGED) -> Self:
        """From its folder. Raises BadModel."""
        try:
            stored = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
            model = cls(
                encoder=str(stored["encoder"]),
                axes=np.load(folder / _AXES, allow_pickle=False),
                cheap=Forest.load(folder / _CHEAP),
                strong=Forest.load(folder / _STRONG),
                usual=np.asarray(stored["usual"], dtype=np.float32),
                shift=float(stored["shift"]),
                slope=float(stored["slope"]),
                points=points_of(**stored["points"]),
            )
        except (OSError, KeyError, TypeError, ValueError, BadForest) as error:
            raise BadModel(f"{folder} holds no model of complexity: {error}") from None
        if tuple(stored["cues"]) != CUES:
            raise BadModel(f"{folder} was fitted to other cues; train it again.")
        wide = model.axes.shape[1] + len(CUES)
        if {model.cheap.features, model.strong.features, len(model.usual)} != {wide}:
            raise BadModel(f"The files in {folder} do not belong together.")
        if not (math.isfinite(model.shift) and model.slope < 0):
            raise BadModel(f"In {folder} the probability does not fall with the gain.")
        return model

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write it there; `about` says what it was fitted to, for who reads the file."""
        folder.mkdir(parents=True, exist_ok=True)
        points = self.points.points
        stored = {
            **about,
            "encoder": self.encoder,
            "cues": CUES,
            "shift": self.shift,
            "slope": self.slope,
            "points": {
                "thresholds": [_short(point.threshold) for point in points],
                "shares": [_short(point.share) for point in points],
                "qualities": [_short(point.quality) for point in points],
                "lows": [_short(point.low) for point in points],
            },
            "usual": [_short(value) for value in self.usual.tolist()],
        }
        (folder / _MODEL).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        np.save(folder / _AXES, self.axes, allow_pickle=False)
        (folder / _CHEAP).write_bytes(self.cheap.stored())
        (folder / _STRONG).write_bytes(self.strong.stored())


def sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-odds)))


def _short(value: float) -> float:
    return float(f"{value:.5g}")
