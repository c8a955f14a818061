"""How much quality a model of complexity keeps at how many calls to the strong model.

On RouteLLM's outcomes: by folds and with whole subjects held out, each fitted anew to the others,
and by a fitted model on what it was not fitted to. Beside it stand chance, the length alone (the
longer, the stronger the model), and what RouteLLM published for the same two models.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from eval.cost_quality import FIGURES, Array, figures
from eval.metrics import Estimate
from eval.remembered import embedded, usual_folder
from eval.suites import options
from eval.train.router.outcomes import BadOutcomes, Outcome, gsm8k, mmlu
from gateway.commands.common import loaded
from gateway.config import Config
from retrieval.types import Vectors
from routing.complexity import PACKAGED, BadModel, Complexity

FLOORS = (0.95, 0.98)
PUBLISHED = {"apgr": 0.603, "cpt50": 0.354, "cpt80": 0.703, "keep95": 0.54}
"""RouteLLM's best on MMLU (arXiv 2406.18665 and its README): fitted to judged conversations."""


@dataclass(frozen=True, slots=True)
class Row:
    """One router on one set of questions."""

    questions: str
    router: str
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Promise:
    """What an operating point expects, and what came of it on other questions."""

    questions: str
    floor: float
    expected_share: float
    share: float
    quality: Estimate  # as a share of the strong model's


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    encoder: str
    model: str
    machine: str
    rows: Sequence[Row]
    promises: Sequence[Promise]


@click.command("routing")
@options.dataset
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=PACKAGED,
    help="A fitted model's folder; the packaged one where not given.",
)
@click.option(
    "--refit/--no-refit", default=True, help="Whether to fit to folds, which takes minutes."
)
@options.config
@options.cache
@options.as_json
def command(
    data: Path,
    model: Path,
    refit: bool,
    config_file: Path | None,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """Cost against quality of a router between two models, on RouteLLM's outcomes."""
    config = loaded(config_file) if config_file else Config()
    try:
        report = asyncio.run(measured(data, model, refit, config, cache or usual_folder()))
    except (BadOutcomes, BadModel) as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(report))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2) + "\n")


async def measured(folder: Path, model: Path, refit: bool, config: Config, cache: Path) -> Report:
    """Raises BadOutcomes and BadModel."""
    fitted = Complexity.load(model)
    rows: list[Row] = []
    promises: list[Promise] = []
    unseen = {
        "MMLU, test subjects": mmlu(folder, "test"),
        "GSM8K, test half": gsm8k(folder, "test"),
    }
    for name, outcomes in unseen.items():
        encoder, vectors = await _embedded(outcomes, config, cache)
        p_cheap = np.asarray(
            [
                fitted.cheap_will_do(each.question, vector)
                for each, vector in zip(outcomes, vectors, strict=True)
            ]
        )
        rows += _rows(name, outcomes, {"this model": -p_cheap})
        promises += _promises(name, outcomes, fitted, p_cheap)
    anew = (
        ("MMLU, 5 folds", mmlu(folder), False),
        ("MMLU, subjects held out", mmlu(folder), True),
        ("GSM8K, 5 folds", gsm8k(folder), False),
    )
    for name, outcomes, by_subject in anew if refit else ():
        _, vectors = await _embedded(outcomes, config, cache)
        wanted = _refitted(outcomes, vectors, by_subject)
        rows += _rows(name, outcomes, {"fitted anew": wanted})
    return Report(
        encoder=encoder,
        model=model.name if model != PACKAGED else "packaged",
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        rows=rows,
        promises=promises,
    )


async def _embedded(
    outcomes: Sequence[Outcome], config: Config, cache: Path
) -> tuple[str, Vectors]:
    return await embedded([each.question for each in outcomes], config, cache)


def _refitted(outcomes: Sequence[Outcome], vectors: Vectors, by_subject: bool) -> Array:
    """What is expected of each question by a fit that has not seen it, or its whole subject."""
    from eval.train.router.fitting import Recipe, Rows, held_out

    known = Rows.of(outcomes, vectors)
    if by_subject:
        return held_out(known, Recipe(parts=10))
    return held_out(known.without_subjects(), Recipe(parts=5))


def _rows(name: str, outcomes: Sequence[Outcome], wanted: dict[str, Array]) -> Iterator[Row]:
    cheap, strong = _sides(outcomes)
    beside = {
        "random": np.zeros(len(outcomes)),
        "length": np.asarray([float(len(each.question)) for each in outcomes]),
    }
    for router, by in (beside | wanted).items():
        yield Row(name, router, figures(by, cheap, strong))


def _promises(
    name: str, outcomes: Sequence[Outcome], model: Complexity, p_cheap: Array
) -> Iterator[Promise]:
    cheap, strong = _sides(outcomes)
    for floor in FLOORS:
        point = model.points.keeping(floor)
        asked = p_cheap < point.threshold
        answered = np.where(asked, strong, cheap)
        yield Promise(name, floor, point.share, float(asked.mean()), _ratio(answered, strong))


def _ratio(answered: Array, strong: Array) -> Estimate:
    """Of two means over the same questions, and its interval over resamples of them."""
    dice, many = np.random.default_rng(13), len(strong)
    drawn = [dice.integers(0, many, many) for _ in range(500)]
    low, high = np.percentile([answered[d].mean() / strong[d].mean() for d in drawn], [2.5, 97.5])
    return Estimate(float(answered.mean() / strong.mean()), float(low), float(high), many)


def _sides(outcomes: Sequence[Outcome]) -> tuple[Array, Array]:
    cheap = np.asarray([each.cheap for each in outcomes], dtype=np.float64)
    return cheap, np.asarray([each.strong for each in outcomes], dtype=np.float64)


def table(report: Report) -> str:
    """For people; shares of strong calls in percent."""
    lines = [
        f"{report.encoder}; model: {report.model}; {report.machine}",
        f"{'':26}{'':14}{'n':>7}  {'APGR':22}" + "".join(f"{n:>18}" for n in list(FIGURES)[1:]),
    ]
    for row in report.rows:
        area = row.figures["apgr"]
        calls = [row.figures[name] for name in list(FIGURES)[1:]]
        shown = "".join(f"{f'{c.mean:.1%} [{c.low:.0%}, {c.high:.0%}]':>18}" for c in calls)
        lines.append(f"{row.questions:26}{row.router:14}{area.n:7}  {area!s:22}{shown}")
    told = ", ".join(f"{name} {value}" for name, value in PUBLISHED.items())
    lines.append(f"RouteLLM's best on MMLU, as published: {told}")
    for one in report.promises:
        lines.append(
            f"{one.questions}, floor {one.floor}: {one.share:.1%} strong calls "
            f"({one.expected_share:.0%} expected), quality {one.quality} of the strong model's"
        )
    return "\n".join(lines)
