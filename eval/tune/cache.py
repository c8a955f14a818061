"""`moorline tune cache`: which score keeps the promise on a user's own questions."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path

import click

from cache.types import Candidate, Entry
from cache.verification.calibration import Calibration
from cache.verification.verifier import TrainedVerifier
from eval.pairs import Pair
from gateway.backends import open_encoder
from gateway.commands.common import config_option, loaded
from gateway.config import Config

_RATES = (0.01, 0.02, 0.05, 0.1)


class BadPairs(Exception):
    """A file of pairs that cannot be read; the message says which line and why."""


@click.command("cache")
@click.option(
    "--pairs",
    "file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='JSON lines: {"question": "…", "known": "…", "label": 1}; 1 where the answer to the known '
    "question answers the other. Take pairs as they were met: hits that were judged, right and "
    "wrong.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@config_option
def command(file: Path, out: Path, config_file: Path | None) -> None:
    """Calibrate the semantic cache on your own labelled pairs of questions.

    `cache.semantic.calibration` names the file that is written. No wrong one among 230 pairs
    promises 1 %, 45 promise 5 %."""
    config = loaded(config_file)
    try:
        pairs = read(file)
    except BadPairs as error:
        raise click.ClickException(str(error)) from None
    scores = asyncio.run(_scores(pairs, config))
    judged = [(score, pair.same) for score, pair in zip(scores, pairs, strict=True)]
    left = [(score, same) for score, same in judged if math.isfinite(score)]
    if not left:
        raise click.ClickException("Of no pair is there anything to be judged: all are ruled out.")
    calibration = Calibration.of([score for score, _ in left], [same for _, same in left])
    out.write_text(calibration.stored() + "\n", encoding="utf-8")
    click.echo(told(calibration, judged))


def read(file: Path) -> list[Pair]:
    """Raises BadPairs."""
    return [
        _pair(line, f"{file} line {number}")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if line.strip()
    ]


def _pair(raw: str, where: str) -> Pair:
    try:
        line = json.loads(raw)
        return Pair(str(line["question"]), str(line["known"]), line["label"] > 0, "own")
    except (ValueError, KeyError, TypeError) as error:
        raise BadPairs(f"{where}: question, known and label are needed ({error!r}).") from None


async def _scores(pairs: Sequence[Pair], config: Config) -> list[float]:
    """As the cache would score them; those below the floor, and those ruled out, are -inf."""
    verifier, floor = TrainedVerifier(config.cache.semantic), config.cache.semantic.floor
    scores = []
    async with open_encoder(config) as encoder:
        for pair in pairs:
            asked, known = await encoder.query(pair.asked), await encoder.query(pair.known)
            cosine = float(asked.vector @ known.vector)
            candidate = Candidate("", Entry(b"", pair.known, (), 0.0), cosine)
            scores.append(verifier.score(pair.asked, [candidate]) if cosine >= floor else -math.inf)
    await verifier.aclose()
    return scores


def told(calibration: Calibration, judged: Sequence[tuple[float, bool]]) -> str:
    """What each promise would serve of the labelled pairs."""
    lines = [f"{len(judged)} pairs, {sum(same for _, same in judged)} of them right", ""]
    for rate in _RATES:
        least = calibration.least(rate)
        served = [same for score, same in judged if score >= least]
        share = f"{sum(not same for same in served)} wrong" if served else "too few to promise it"
        lines.append(f"max_error_rate {rate:<5} {len(served)} served, {share}")
    return "\n".join(lines)
