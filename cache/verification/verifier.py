"""Whether an earlier question is this one in other words, so that its answer may be given again.

Rules first, for what is never the same. The nearest that they leave is judged by trees over words,
cosine and company; where that leaves doubt, trees that know the pair model's opinion too decide.
The score must reach what `max_error_rate` wants of it. What is not verified is a miss.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from cache.config import SemanticConfig
from cache.types import Candidate
from cache.verification.calibration import Calibration
from cache.verification.candidates import Looked, against, looked
from cache.verification.features import NAMES
from cache.verification.pair_model import PairModel
from cache.verification.types import NOTHING, Judged, Verdict
from retrieval.forest import Forest

PACKAGED = Path(__file__).parent / "packaged"
QUICK, WHOLE, CALIBRATION, DOUBT = "quick.npz", "whole.npz", "calibration.json", "doubt.json"


@dataclass(frozen=True, slots=True)
class Models:
    """What a folder holds: the pair model, and trees that do without it and with it."""

    pairs: PairModel
    quick: Forest
    whole: Forest
    doubt: tuple[float, float]
    """Scores of the quick trees between which the pair model is asked."""

    @classmethod
    def of(cls, folder: Path, pairs: PairModel | None = None) -> Self:
        """Those of a folder, with another's pair model where one is given."""
        low, high = json.loads((folder / DOUBT).read_text(encoding="utf-8"))
        quick, whole = (Forest.load(folder / name) for name in (QUICK, WHOLE))
        return cls(pairs or PairModel(folder), quick, whole, (low, high))

    def score(self, seen: Looked) -> float:
        """In log-odds that the candidate's answer is right."""
        quick = float(self.quick.predict(np.array([seen.row], dtype=np.float32))[0])
        low, high = self.doubt
        return self.informed(seen) if low < quick < high else quick

    def informed(self, seen: Looked) -> float:
        """The same, with the pair model's opinion."""
        row = [*seen.row, self.pairs.opinion(seen.read)]
        return float(self.whole.predict(np.array([row], dtype=np.float32))[0])


class TrainedVerifier:
    """Construction reads nothing; the first question opens the models, in a thread."""

    def __init__(
        self, config: SemanticConfig, folder: Path = PACKAGED, pairs: PairModel | None = None
    ) -> None:
        self._config, self._folder, self._pairs = config, folder, pairs
        self._opening = threading.Lock()
        self._opened: tuple[Models, Calibration] | None = None
        self._least = math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verifier")

    async def chosen(self, question: str, candidates: Sequence[Candidate]) -> Verdict:
        """Of candidates, nearest first, the one whose answer may be given again."""
        if not candidates:
            return NOTHING
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.verdict, question, candidates)

    def verdict(self, question: str, candidates: Sequence[Candidate]) -> Verdict:
        """The same, in this thread."""
        reasons = against(question, candidates)
        judged = [Judged(c, tuple(r)) for c, r in zip(candidates, reasons, strict=True)]
        left = [place for place, each in enumerate(judged) if not each.reasons]
        if not left:
            return Verdict(None, 0.0, tuple(judged))
        models, calibration = self._open()
        seen = looked(question, [candidates[place] for place in left], models.pairs.tokens)
        score = models.score(seen)
        probability = calibration.probability(score)
        served = score >= self._least
        doubts = () if served else self._doubts(seen, probability)
        judged[left[0]] = Judged(seen.candidate, doubts, probability)
        for place in left[1:]:
            judged[place] = Judged(candidates[place], ("nearer: another one is",))
        return Verdict(seen.candidate if served else None, probability, tuple(judged))

    def score(self, question: str, candidates: Sequence[Candidate]) -> float:
        """Of the nearest that the rules leave; -inf where they leave none."""
        reasons = against(question, candidates)
        left = [c for c, found in zip(candidates, reasons, strict=True) if not found]
        if not left:
            return -math.inf
        models, _ = self._open()
        return models.score(looked(question, left, models.pairs.tokens))

    def least(self) -> float:
        """The least score that is served; infinite where none keeps the promise."""
        self._open()
        return self._least

    async def aclose(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _doubts(self, seen: Looked, probability: float) -> tuple[str, ...]:
        told = dict(zip(NAMES, seen.row, strict=True))
        lead = f", {told['lead']:.2f} ahead of one with another answer" if told["rival"] else ""
        if math.isinf(self._least):
            return ("promise: no score is known to keep cache.semantic.max_error_rate",)
        needed = self._open()[1].probability(self._least)
        return (
            f"probability: {probability:.3f}, and {needed:.3f} is needed"
            f" (cosine {told['cosine']:.2f}{lead})",
        )

    def _open(self) -> tuple[Models, Calibration]:
        with self._opening:
            if self._opened is None:
                calibration = Calibration.load(
                    self._config.calibration or self._folder / CALIBRATION
                )
                self._least = calibration.least(self._config.max_error_rate)
                self._opened = Models.of(self._folder, self._pairs), calibration
            return self._opened
