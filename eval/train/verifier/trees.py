"""Fits the judgement: what pairs and streams look like, trees over that, and the promise's scores.

Trees see the forest part alone, which the pair model has not read; the scores that keep a promise
are counted on the calibration part, which neither has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cache.types import Candidate, Entry
from cache.verification.calibration import Calibration
from cache.verification.candidates import Looked, against, looked
from cache.verification.features import NAMES
from cache.verification.pair_model import PairModel
from cache.verification.pairs import Read
from cache.verification.verifier import CALIBRATION, DOUBT, QUICK, WHOLE, Models
from eval.asked_again import Decides, Meant, stream
from eval.pairs import Pair
from eval.train.forests import exported
from retrieval.forest import Forest

if TYPE_CHECKING:
    import lightgbm

Vectored: TypeAlias = Mapping[str, NDArray[np.float32]]
Tokens: TypeAlias = Callable[[Sequence[str]], list[list[int]]]

_SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 31,
    "max_depth": 8,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "use_missing": False,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}
_TREES = 250
_RISING = frozenset(("cosine", "lead", "opinion"))
"""More of these never speaks against a candidate, whatever the sample says."""
_SURE = 0.004
"""Share of wrong ones from which on the quick trees need no second opinion."""
_LOST = 0.01
"""Share of what might be served that is given up so that the hopeless are not read."""
_LARGEST_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Event:
    """A candidate that came to be judged, and whether its answer was right."""

    seen: Looked
    right: bool


def of_pairs(
    pairs: Sequence[Pair], vectors: Vectored, tokens: Tokens, floor: float, ruled: bool = True
) -> list[Event]:
    """Pairs as the cache meets them: near enough and, if they are `ruled`, with nothing that
    a rule would see."""
    events = []
    for pair in pairs:
        cosine = float(vectors[pair.asked] @ vectors[pair.known])
        candidates = [Candidate("", Entry(b"", pair.known, (), 0.0, "known"), cosine)]
        if cosine >= floor and not (ruled and against(pair.asked, candidates)[0]):
            events.append(Event(looked(pair.asked, candidates, tokens), pair.same))
    return events


def of_stream(
    questions: Sequence[Meant],
    vectors: Vectored,
    tokens: Tokens,
    floor: float,
    decide: Decides,
    wanted: Callable[[Meant], bool],
    seed: int,
    never_kept: float = 0.0,
) -> list[Event]:
    """What the wanted questions of a shuffled stream met, where the answers to so many of the
    intents are never kept."""
    shuffled, chosen = list(questions), random.Random(seed)
    chosen.shuffle(shuffled)
    intents = sorted({question.intent for question in questions})
    absent = frozenset(chosen.sample(intents, round(never_kept * len(intents))))
    rows = np.stack([vectors[question.text] for question in shuffled])
    events = []
    for asked in stream(shuffled, rows, floor, decide, absent):
        text, intent = asked.question.text, asked.question.intent
        reasons = against(text, asked.candidates)
        left = [c for c, found in zip(asked.candidates, reasons, strict=True) if not found]
        if left and wanted(asked.question):
            events.append(Event(looked(text, left, tokens), left[0].entry.answer == intent))
    return events


def fitted(
    events: Sequence[Event], opinion: Callable[[Read], float], seed: int
) -> tuple[Forest, Forest]:
    """Trees without the pair model's opinion and with it."""
    rows = np.array([event.seen.row for event in events], dtype=np.float32)
    right = np.array([event.right for event in events], dtype=np.float64)
    opinions = np.array([opinion(event.seen.read) for event in events], dtype=np.float32)
    told = np.column_stack([rows, opinions])
    return _forest(rows, right, NAMES, seed), _forest(told, right, (*NAMES, "opinion"), seed)


def _forest(
    rows: NDArray[np.float32], right: NDArray[np.float64], names: Sequence[str], seed: int
) -> Forest:
    import lightgbm

    rising = [int(name in _RISING) for name in names]
    settings = {**_SETTINGS, "monotone_constraints": rising}
    boosters: list[lightgbm.Booster] = [
        lightgbm.train({**settings, "seed": seed + turn}, lightgbm.Dataset(rows, right), _TREES)
        for turn in range(2)
    ]
    return exported(boosters)


def write(folder: Path, quick: Forest, whole: Forest) -> None:
    (folder / QUICK).write_bytes(quick.stored())
    (folder / WHOLE).write_bytes(whole.stored())
    (folder / DOUBT).write_text("[-1e9, 1e9]\n")  # until it is known where there is none


def calibrate(folder: Path, pairs: PairModel, events: Sequence[Event]) -> Calibration:
    """Where the pair model is asked, and which score keeps which promise."""
    models = Models.of(folder, pairs)
    right = np.array([event.right for event in events])
    quick = _scores(models.quick, [event.seen.row for event in events])
    informed = np.array([models.informed(event.seen) for event in events])
    low, high = _doubt(quick, informed, right)
    (folder / DOUBT).write_text(json.dumps([round(low, 3), round(high, 3)]) + "\n")
    scores = np.where((quick > low) & (quick < high), informed, quick)
    made = Calibration.of(scores.tolist(), right.tolist())
    (folder / CALIBRATION).write_text(made.stored() + "\n")
    return made


def _doubt(
    quick: NDArray[np.float64], informed: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[float, float]:
    """Scores of the quick trees below which next to nothing is served in the end, and above which
    next to nothing is wrong."""
    least = Calibration.of(informed.tolist(), right.tolist()).least(_LARGEST_RATE)
    low = float(np.quantile(quick[informed >= least], _LOST))
    order = np.argsort(-quick)
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    sure = np.flatnonzero(wrong <= _SURE)
    high = float(quick[order[sure[-1]]]) if len(sure) else float(quick.max()) + 1
    return low, max(low, high)


def _scores(forest: Forest, rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return forest.predict(np.array(rows, dtype=np.float32))
