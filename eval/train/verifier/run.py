"""From data to a folder of the verifier: graph, trees, calibration. All draws have their seeds, so
the same data make the same folder."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]

from cache.config import SemanticConfig
from cache.types import Candidate
from cache.verification.candidates import Looked, against, looked
from cache.verification.pair_model import GRAPH
from cache.verification.pair_model import PairModel as Exported
from cache.verification.pairs import read
from cache.verification.verifier import Models
from eval.asked_again import Meant, margin
from eval.pairs import OUT_OF_SCOPE, Pair, clinc, quora, seen
from eval.train.reranker.export import arrays
from eval.train.verifier.export import export
from eval.train.verifier.material import styles, swaps, taught
from eval.train.verifier.model import PairModel, from_minilm
from eval.train.verifier.recipe import Recipe
from eval.train.verifier.training import Labelled, fit
from eval.train.verifier.trees import Event, Tokens, calibrate, fitted, of_pairs, of_stream, write
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM, model_folder
from retrieval.types import Vector

_STREAMS = (3000, 4500, 6000, 9000)
"""Questions of the streams that the trees learn from: a cache is empty at first, and fills."""
_SERVED = 3.0
"""A score that is served while it is counted which of them keeps the promise."""
_STRANGE = 4
"""How often a question out of scope counts: one in six or so of a stream is then one."""
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
    pairs = Exported(out)
    events = _to_learn(data, vectors, pairs.tokens)
    quick, whole = fitted(events, _remembering(pairs), seed)
    write(out, quick, whole)
    calibration = calibrate(out, _to_calibrate(data, out, vectors, pairs.tokens))
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
    questions = [
        each
        for each in clinc(data, "train")
        if seen(each.intent) and not each.intent.startswith(OUT_OF_SCOPE)
    ]
    stacked = np.stack([vectors[each.text] for each in questions])
    pairs = taught(quora(data)["pair"], questions, stacked, recipe.seed)
    weights = load_file(str(model_folder() / "model.safetensors"))
    torch.manual_seed(recipe.seed)
    model = from_minilm(weights, recipe.layers)
    fit(model, weights["embeddings.word_embeddings.weight"], _labelled(pairs), recipe, kept)
    return model


def _labelled(pairs: Sequence[Pair]) -> list[Labelled]:
    tokens = Exported(Path()).tokens
    asked, known = (tokens([getattr(p, side) for p in pairs]) for side in ("asked", "known"))
    return [
        Labelled((read(one, other), read(other, one)), pair.same)
        for one, other, pair in zip(asked, known, pairs, strict=True)
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
    for seed, size in enumerate(_STREAMS):
        some = random.Random(100 + seed).sample(questions, size)
        events += of_stream(some, vectors, tokens, floor, _DECIDES, _new, seed)
    return events


def _to_calibrate(data: Path, out: Path, vectors: Embedded, tokens: Tokens) -> list[Event]:
    """The mixture that a promise holds for: streams, and about as many of Quora's pairs. What is in
    the cache of a stream is what the verifier itself leaves there."""
    floor, models = SemanticConfig().floor, Models.of(out)
    pairs, questions = quora(data)["calibration"], clinc(data, "val")
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

    events = of_pairs(pairs, vectors, tokens, floor)
    for seed in (50, 51):
        events += of_stream(questions, vectors, tokens, floor, decide, lambda _: True, seed)
        strange = of_stream(questions, vectors, tokens, floor, decide, _strange, seed)
        events += strange * (_STRANGE - 1)
    return events


def _strange(question: Meant) -> bool:
    return question.intent.startswith(OUT_OF_SCOPE)


def _new(question: Meant) -> bool:
    return not seen(question.intent) or _strange(question)


def _remembering(pairs: Exported) -> Callable[[Sequence[Looked]], list[float]]:
    """Streams bring the same pairs again."""
    known: dict[tuple[int, ...], float] = {}

    def opinion(looked: Sequence[Looked]) -> list[float]:
        for each in looked:
            key = tuple(each.read.tokens)
            if key not in known:
                known[key] = pairs.opinion(each.read)
        return [known[tuple(each.read.tokens)] for each in looked]

    return opinion
