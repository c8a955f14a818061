"""From data to a folder of the verifier: graph, trees, calibration. All draws have their seeds, so
the same data make the same folder."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from numpy.typing import NDArray
from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]

from cache.config import SemanticConfig
from cache.types import Candidate
from cache.verification.candidates import against, looked
from cache.verification.pair_model import GRAPH
from cache.verification.pair_model import PairModel as Exported
from cache.verification.pairs import read
from cache.verification.verifier import Models
from eval.asked_again import Meant, margin
from eval.pairs import OUT_OF_SCOPE, Pair, clinc, quora, seen
from eval.read_once import ReadOnce
from eval.train.reranker.export import arrays
from eval.train.verifier.export import export
from eval.train.verifier.material import styles, swaps, taught
from eval.train.verifier.model import PairModel, from_minilm
from eval.train.verifier.narrowing import narrowed, worth
from eval.train.verifier.recipe import Recipe
from eval.train.verifier.training import Labelled, fit, opinions
from eval.train.verifier.trees import Event, Tokens, calibrate, fitted, of_pairs, of_stream, write
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM, model_folder
from retrieval.types import Vector

_STREAMS = (3000, 4500, 6000, 9000)
"""Questions of the streams that the trees learn from: a cache is empty at first, and fills."""
_SERVED = 3.0
"""A score that is served while it is counted which of them keeps the promise."""
_NEVER_KEPT = 0.2
"""Share of intents whose answers are never in the cache: whoever asks for them must be told no.
Streams without it have next to none of these, and what they make looks surer than it is."""
_DECIDES = margin(0.75, 0.10)
"""Stands for the verifier while there is none; what is in a cache depends on what was a hit."""


def made(recipe: Recipe, data: Path, out: Path) -> str:
    """Train, export, fit, calibrate; says which score keeps which promise."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "kept"
    kept.mkdir(exist_ok=True)
    vectors = Embedded(kept)
    trained = _trained(recipe, data, vectors, kept)
    export(arrays(trained.state_dict()), out / GRAPH)
    return judged(data, out, vectors, recipe.seed)


def judged(data: Path, out: Path, vectors: Embedded, seed: int) -> str:
    """The trees and the calibration beside a pair model that is there."""
    pairs = ReadOnce(out)
    quick, whole = fitted(_to_learn(data, vectors, pairs.tokens), pairs.opinion, seed)
    write(out, quick, whole)
    calibration = calibrate(out, pairs, _to_calibrate(data, Models.of(out, pairs), vectors))
    return "\n".join(
        f"at most {rate:.0%} wrong: from {calibration.least(rate):.3f}"
        for rate in (0.01, 0.02, 0.05)
    )


class Embedded(dict[str, Vector]):
    """Vectors of questions, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._encoder = MiniLM(MiniLMEncoder(), folder)

    def __missing__(self, text: str) -> Vector:
        self[text] = asyncio.run(self._encoder.query(text)).vector
        return self[text]


def _trained(recipe: Recipe, data: Path, vectors: Embedded, kept: Path) -> PairModel:
    """The student, by way of its teacher."""
    weights = load_file(str(model_folder() / "model.safetensors"))
    words = weights["embeddings.word_embeddings.weight"]
    pairs = _pairs(data, vectors, recipe.seed)
    said = np.array([1 - recipe.doubt if pair.same else recipe.doubt for pair in pairs])
    labelled = _labelled(pairs, said)
    torch.manual_seed(recipe.seed)
    teacher = from_minilm(weights, recipe.layers)
    fit(teacher, words, labelled, recipe.teaching, recipe, kept / "teacher.pt")
    sample = random.Random(recipe.seed).sample(labelled, recipe.sample)
    student = narrowed(teacher, worth(teacher, words, sample), recipe.kept, recipe.wide)
    told = opinions(teacher, words, [each.reads[0] for each in labelled])
    mixed = recipe.trusted * told + (1 - recipe.trusted) * said
    lessons = [Labelled(p.reads, c) for p, c in zip(labelled, mixed.tolist(), strict=True)]
    fit(student, words, lessons, recipe.learning, recipe, kept / "student.pt")
    return student


def _pairs(data: Path, vectors: Embedded, seed: int) -> list[Pair]:
    questions = [
        each
        for each in clinc(data, "train")
        if seen(each.intent) and not each.intent.startswith(OUT_OF_SCOPE)
    ]
    stacked = np.stack([vectors[each.text] for each in questions])
    return taught(quora(data)["pair"], questions, stacked, seed)


def _labelled(pairs: Sequence[Pair], chances: NDArray[np.float64]) -> list[Labelled]:
    tokens = Exported(Path()).tokens
    asked, known = (tokens([getattr(p, side) for p in pairs]) for side in ("asked", "known"))
    return [
        Labelled((read(one, other), read(other, one)), chance)
        for one, other, chance in zip(asked, known, chances.tolist(), strict=True)
    ]


def _to_learn(data: Path, vectors: Embedded, tokens: Tokens) -> list[Event]:
    """What the trees learn from: nothing that the pair model has read."""
    chosen, floor = random.Random(17), SemanticConfig().floor
    pairs, questions = quora(data)["forest"], clinc(data, "train")
    asked = sorted({pair.asked for pair in pairs})
    new = [each.text for each in questions if _new(each)]
    exchanged = chosen.sample(swaps(asked, 21), 900) + chosen.sample(swaps(new, 22), 500)
    manners = styles(chosen.sample(asked, 500) + chosen.sample(new, 400), chosen)
    events = of_pairs(pairs, vectors, tokens, floor)
    # Of what the rules let through some is like this; so the trees are shown it all.
    events += of_pairs(exchanged, vectors, tokens, floor, ruled=False)
    events += of_pairs(manners, vectors, tokens, floor)
    for seed, (size, never_kept) in enumerate(product(_STREAMS, (0.0, _NEVER_KEPT))):
        some = random.Random(100 + seed).sample(questions, size)
        events += of_stream(some, vectors, tokens, floor, _DECIDES, _new, seed, never_kept)
    return events


def _to_calibrate(data: Path, models: Models, vectors: Embedded) -> list[Event]:
    """The mixture that a promise holds for: streams, and about as many of Quora's pairs. What is in
    the cache of a stream is what the verifier itself leaves there."""
    floor, tokens = SemanticConfig().floor, models.pairs.tokens
    questions = clinc(data, "val")
    questions += [
        Meant(each.text, f"{each.intent} of train")
        for each in clinc(data, "train")
        if _strange(each)
    ]

    def decide(question: str, candidates: Sequence[Candidate]) -> Candidate | None:
        reasons = against(question, candidates)
        left = [c for c, found in zip(candidates, reasons, strict=True) if not found]
        sure = bool(left) and models.informed(looked(question, left, tokens)) >= _SERVED
        return left[0] if sure else None

    events = of_pairs(quora(data)["calibration"], vectors, tokens, floor)
    for seed in (50, 51):
        events += of_stream(
            questions, vectors, tokens, floor, decide, lambda _: True, seed, _NEVER_KEPT
        )
    return events


def _strange(question: Meant) -> bool:
    return question.intent.startswith(OUT_OF_SCOPE)


def _new(question: Meant) -> bool:
    return not seen(question.intent) or _strange(question)
