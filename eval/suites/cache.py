"""Whether an answer that is given to a similar question is right, and how often one is given.

All on test parts (eval/pairs.py): Quora's pairs, the same questions with one thing exchanged, and
streams of CLINC's questions; beside a plain cosine threshold and the margin rule.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np
from numpy.typing import NDArray

from cache.config import SemanticConfig
from cache.types import Candidate, Entry
from cache.verification.verifier import PACKAGED, TrainedVerifier
from eval.asked_again import Asked, Decides, Meant, margin, near, plain, stream
from eval.metrics import Estimate, auroc, estimate
from eval.pairs import OUT_OF_SCOPE, Pair, clinc, paraphrases, quora, seen
from eval.read_once import ReadOnce
from eval.remembered import Memory, Remembered, usual_folder
from eval.suites import options
from eval.swaps import Swaps, names, restyled
from gateway.backends import open_encoder
from gateway.config import Config
from retrieval.types import Encoder, Vectors

_SEED = 13
_PLAIN = (0.85, 0.90, 0.95)
_RATES = (0.01, 0.02, 0.05)
_SHUFFLES, _FEW = 10, 3
_STRANGE = 0.05
_BESIDE: Mapping[str, Decides] = {
    **{f"cosine {at:.2f}": plain(at) for at in (0.80, *_PLAIN)},
    "margin 0.80, 0.15": margin(0.80, 0.15),
    "margin 0.75, 0.10": margin(0.75, 0.10),
}

Vector: TypeAlias = "NDArray[np.float32]"
Vectored: TypeAlias = Mapping[str, Vector]
Score: TypeAlias = Callable[[str, Sequence[Candidate]], float]


@dataclass(frozen=True, slots=True)
class AtRate:
    """Quora's pairs, as many hits as a cosine threshold has. Shares of wrong ones among them."""

    threshold: float
    hits: float
    plain: Estimate
    verified: Estimate


@dataclass(frozen=True, slots=True)
class Kind:
    """Pairs of a kind, and the shares of them that are served."""

    kind: str
    pairs: int
    plain: Estimate
    verified: Sequence[Estimate]  # by _RATES
    as_many: Estimate  # by the score that serves as many of Quora's pairs as the plain threshold


@dataclass(frozen=True, slots=True)
class Streamed:
    """A way to decide over shuffled streams: hits by question, wrong ones by hit; of those, how
    many met an intent that the pair model has learned from, and how many are out of scope."""

    way: str
    hits: Estimate
    wrong: Estimate
    wrong_seen: float
    wrong_strange: float


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised, and what came of it in each shuffle."""

    rate: float
    wrong: Estimate
    worst: float
    hits: float
    stream_wrong: float
    quora_wrong: float
    quora_hits: float


@dataclass(frozen=True, slots=True)
class Paraphrased:
    """GPTCache's sentences: all are kept, and each is asked for in other words."""

    way: str
    right: int
    wrong: int
    missed: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    encoder: str
    pairs: int
    auroc_plain: float
    auroc_verified: float
    precision_plain: float
    precision_verified: float
    at_rates: Sequence[AtRate]
    kinds: Sequence[Kind]
    streams: Sequence[Streamed]
    promises: Sequence[Promise]
    paraphrased: Sequence[Paraphrased]


@click.command("cache")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder with gptcache_qqp and clinc_oos.",
)
@click.option(
    "--models",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=PACKAGED,
    help="A folder of `moorline train verifier`; the packaged one where not given.",
)
@options.limit_of_kinds
@options.cache
@options.as_json
def command(
    data: Path, models: Path, limit: int | None, cache: Path | None, json_file: Path | None
) -> None:
    """How often a similar question is answered from the cache, and how often wrongly."""
    pairs, questions = quora(data)["test"][:limit], clinc(data, "test")
    if limit:
        questions = random.Random(_SEED).sample(questions, min(limit, len(questions)))
    with closing(Memory(cache or usual_folder())) as memory:
        mock = paraphrases(data)[:limit]
        world = asyncio.run(_world(pairs, questions, mock, cache or usual_folder(), memory))
    report = measured(world, models)
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is asked, with its vectors."""

    encoder: str
    pairs: Sequence[Pair]
    exchanged: Sequence[Pair]
    alike: Sequence[Pair]
    questions: Sequence[Meant]
    paraphrases: Sequence[tuple[str, str]]  # what is kept, and how it is asked for
    vectors: Vectored


async def _world(
    pairs: Sequence[Pair],
    questions: Sequence[Meant],
    mock: Sequence[tuple[str, str]],
    folder: Path,
    memory: Memory,
) -> World:
    exchanged, alike = made(pairs, questions)
    texts = {text for pair in (*pairs, *exchanged, *alike) for text in (pair.asked, pair.known)}
    texts |= {question.text for question in questions}
    texts |= {text for both in mock for text in both}
    async with open_encoder(Config().model_copy(update={"data": folder})) as opened:
        encoder = Remembered(opened, memory)
        ordered = sorted(texts)
        vectors = dict(zip(ordered, await _vectors(encoder, ordered), strict=True))
    return World(encoder.name, pairs, exchanged, alike, questions, mock, vectors)


async def _vectors(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    return await encoder.passages([text[:700] for text in texts])


def made(pairs: Sequence[Pair], questions: Sequence[Meant]) -> tuple[list[Pair], list[Pair]]:
    """Test questions with one thing exchanged, of either set as many of a kind as there are up to
    a thousand; and questions with the same in another manner."""
    chosen = random.Random(_SEED)
    exchanged, alike = [], []
    for name, texts in (
        ("Quora", sorted({pair.asked for pair in pairs})),
        ("CLINC", sorted({question.text for question in questions})),
    ):
        chosen.shuffle(texts)
        found = names(texts)
        for held_out in (False, True):
            by_kind: dict[str, list[Pair]] = {}
            swaps = Swaps(found, _SEED, held_out)
            for text in texts:
                for swap in swaps.of(text):
                    pair = Pair(swap.text, text, False, f"{name}: {swap.kind}")
                    by_kind.setdefault(pair.kind, []).append(pair)
            exchanged += [pair for some in by_kind.values() for pair in some[:1000]]
        for text in texts[:1000]:
            if (now := restyled(text, chosen)) != text:
                alike.append(Pair(now, text, True, f"{name}: another manner"))
    return exchanged, alike


def measured(world: World, models: Path) -> Report:
    pairs = ReadOnce(models)
    ways = {
        rate: TrainedVerifier(SemanticConfig(max_error_rate=rate), models, pairs) for rate in _RATES
    }
    verifier = ways[_RATES[0]]
    floor = SemanticConfig().floor
    scored = _Scored(world.vectors, verifier.score, floor)
    cosines = np.array([scored.cosine(pair) for pair in world.pairs])
    scores = np.array([scored(pair) for pair in world.pairs])
    same = np.array([pair.same for pair in world.pairs])
    rows = [_at_rate(threshold, cosines, scores, same) for threshold in _PLAIN]
    as_many = np.sort(scores)[::-1][max(0, int((cosines >= 0.90).sum()) - 1)]
    least = [each.least() for each in ways.values()]
    streams = [_streamed(name, _runs(world, decide, _FEW)) for name, decide in _BESIDE.items()]
    promises = []
    for (rate, way), lowest in zip(ways.items(), least, strict=True):
        runs = _runs(world, _by(way), _SHUFFLES)
        streams.append(_streamed(f"verified, {rate:.0%}", runs))
        promises.append(_promise(rate, lowest, runs, scores, same))
    usual = replace(world, questions=_usual(world.questions))
    verified = {f"verified, {rate:.0%}": _by(way) for rate, way in ways.items()}
    streams += [
        _streamed(f"5 % strange: {name}", _runs(usual, decide, _FEW))
        for name, decide in {**_BESIDE, **verified}.items()
    ]
    return Report(
        encoder=world.encoder,
        pairs=len(same),
        auroc_plain=auroc(cosines[same], cosines[~same]),
        auroc_verified=auroc(scores[same], scores[~same]),
        precision_plain=_average_precision(cosines, same),
        precision_verified=_average_precision(scores, same),
        at_rates=rows,
        kinds=_kinds(world, scored, least, float(as_many)),
        streams=streams,
        promises=promises,
        paraphrased=[
            _paraphrased(name, decide, world)
            for name, decide in {
                **{f"cosine {at:.2f}": plain(at) for at in (0.80, 0.90)},
                **verified,
            }.items()
        ],
    )


def _paraphrased(way: str, decide: Decides, world: World) -> Paraphrased:
    kept = [Entry(b"", text, (), 0.0, text) for text, _ in world.paraphrases]
    vectors = np.stack([world.vectors[entry.question] for entry in kept])
    right = wrong = 0
    for meant, asked in world.paraphrases:
        vector = world.vectors[asked]
        chosen = decide(asked, near(vector, vectors, kept, SemanticConfig().floor))
        right += chosen is not None and chosen.entry.question == meant
        wrong += chosen is not None and chosen.entry.question != meant
    return Paraphrased(way, right, wrong, len(kept) - right - wrong)


class _Scored:
    """Scores pairs as the cache would: below the floor, and where a rule speaks, they come last."""

    def __init__(self, vectors: Vectored, score: Score, floor: float) -> None:
        self._vectors, self._score, self._floor = vectors, score, floor

    def cosine(self, pair: Pair) -> float:
        return float(self._vectors[pair.asked] @ self._vectors[pair.known])

    def __call__(self, pair: Pair) -> float:
        cosine = self.cosine(pair)
        if cosine < self._floor:
            return cosine - 200
        entry = Entry(b"", pair.known, (), 0.0, "known")
        score = self._score(pair.asked, [Candidate("", entry, cosine)])
        return score if math.isfinite(score) else cosine - 100


def _at_rate(
    threshold: float,
    cosines: NDArray[np.float64],
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> AtRate:
    many = int((cosines >= threshold).sum())
    best = [np.argsort(-each, kind="stable")[:many] for each in (cosines, scores)]
    plain, verified = (estimate((~same[places]).astype(float).tolist() or [0.0]) for places in best)
    return AtRate(threshold, many / len(same), plain, verified)


def _kinds(world: World, scored: _Scored, least: Sequence[float], as_many: float) -> list[Kind]:
    true = [Pair(p.asked, p.known, True, "Quora: duplicates") for p in world.pairs if p.same]
    by_kind: dict[str, list[Pair]] = {}
    for pair in (*world.exchanged, *world.alike, *true):
        by_kind.setdefault(pair.kind, []).append(pair)
    rows = []
    for kind, pairs in by_kind.items():
        cosines = np.array([scored.cosine(pair) for pair in pairs])
        scores = np.array([scored(pair) for pair in pairs])
        shares = [estimate((scores >= each).astype(float).tolist()) for each in (*least, as_many)]
        plain = estimate((cosines >= 0.90).astype(float).tolist())
        rows.append(Kind(kind, len(pairs), plain, shares[:-1], shares[-1]))
    return rows


def _usual(questions: Sequence[Meant]) -> list[Meant]:
    """With as many out of scope as all of CLINC has, one in twenty; of the test part it is almost
    one in five."""
    strange = [each for each in questions if each.intent.startswith(OUT_OF_SCOPE)]
    others = [each for each in questions if not each.intent.startswith(OUT_OF_SCOPE)]
    few = min(len(strange), round(len(others) * _STRANGE / (1 - _STRANGE)))
    return others + random.Random(_SEED).sample(strange, few)


def _runs(world: World, decide: Decides, shuffles: int) -> list[list[Asked]]:
    """The same questions in so many orders, each against an empty cache."""
    return [
        list(stream(*_shuffled(world, seed), SemanticConfig().floor, decide))
        for seed in range(shuffles)
    ]


def _by(verifier: TrainedVerifier) -> Decides:
    return lambda text, candidates: verifier.verdict(text, candidates).chosen


def _streamed(way: str, runs: Sequence[Sequence[Asked]]) -> Streamed:
    asked = [each for run in runs for each in run]
    served = [each for each in asked if each.chosen]
    wrong = [each.question.intent for each in served if not each.right]
    strange = sum(intent.startswith(OUT_OF_SCOPE) for intent in wrong)
    known = sum(seen(intent) and not intent.startswith(OUT_OF_SCOPE) for intent in wrong)
    return Streamed(
        way,
        estimate([float(each.chosen is not None) for each in asked]),
        estimate([float(not each.right) for each in served] or [0.0]),
        known / max(1, len(wrong)),
        strange / max(1, len(wrong)),
    )


def _shuffled(world: World, seed: int) -> tuple[list[Meant], Vectors]:
    questions = list(world.questions)
    random.Random(seed).shuffle(questions)
    return questions, np.stack([world.vectors[question.text] for question in questions])


def _promise(
    rate: float,
    least: float,
    runs: Sequence[Sequence[Asked]],
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> Promise:
    """Each shuffle is a stream in another order and as many of the pairs as it has questions."""
    columns: list[tuple[float, ...]] = []
    for seed, asked in enumerate(runs):
        places = np.random.default_rng(seed).permutation(len(same))[: len(asked)]
        pairs = places[scores[places] >= least]
        served = [each for each in asked if each.chosen]
        wrong, of_pairs = sum(not each.right for each in served), int((~same[pairs]).sum())
        hits = len(served) + len(pairs)
        columns.append(
            (
                (wrong + of_pairs) / max(1, hits),
                hits / (len(asked) + len(places)),
                wrong / max(1, len(served)),
                of_pairs / max(1, len(pairs)),
                len(pairs) / len(places),
            )
        )
    shares, *others = zip(*columns, strict=True)
    return Promise(rate, estimate(shares), max(shares), *(float(np.mean(each)) for each in others))


def _average_precision(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    ordered = same[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(precision[ordered].mean())


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.pairs} pairs of Quora's test part; {report.encoder}; mean [95 % interval]",
        "",
        f"AUROC {report.auroc_plain:.3f} by cosine, {report.auroc_verified:.3f} verified; "
        f"average precision {report.precision_plain:.3f} and {report.precision_verified:.3f}",
        "",
        f"{'as many hits as cosine':24}{'hits':>7}{'wrong of them':>24}{'verified':>24}",
    ]
    lines += [
        f"{row.threshold:<24.2f}{row.hits:7.3f}{row.plain!s:>24}{row.verified!s:>24}"
        for row in report.at_rates
    ]
    rates = "".join(f"{f'verified, {rate:.0%}':>16}" for rate in _RATES)
    lines += ["", f"{'served':26}{'n':>6}{'cosine 0.90':>16}{rates}{'as many hits':>16}"]
    lines += [
        f"{row.kind:26}{row.pairs:6}"
        + "".join(f"{each.mean:16.4f}" for each in (row.plain, *row.verified, row.as_many))
        for row in report.kinds
    ]
    lines += ["", f"{'stream':32}{'hits':>24}{'wrong of them':>24}{'seen':>7}{'strange':>9}"]
    lines += [
        f"{row.way:32}{row.hits!s:>24}{row.wrong!s:>24}{row.wrong_seen:7.2f}"
        f"{row.wrong_strange:9.2f}"
        for row in report.streams
    ]
    lines += [
        "",
        f"{'promised':10}{'wrong, ten shuffles':>24}{'worst':>8}{'hits':>8}"
        f"{'stream wrong':>14}{'pairs wrong':>13}{'pairs hit':>11}",
    ]
    lines += [
        f"{row.rate:<10.0%}{row.wrong!s:>24}{row.worst:8.4f}{row.hits:8.3f}"
        f"{row.stream_wrong:14.4f}{row.quora_wrong:13.4f}{row.quora_hits:11.4f}"
        for row in report.promises
    ]
    lines += ["", f"{'GPTCache paraphrases':24}{'right':>7}{'wrong':>7}{'missed':>8}"]
    lines += [f"{row.way:24}{row.right:7}{row.wrong:7}{row.missed:8}" for row in report.paraphrased]
    return "\n".join(lines)
