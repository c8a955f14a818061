"""How often the task of a request is told right: by its words, and by the model where it is sure.

Each source by itself, since none is like what a team's users write; instructions and MT-bench's
turns come nearest.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from eval.metrics import Estimate, difference, estimate
from eval.remembered import embedded, usual_folder
from eval.suites import options
from eval.train.tasks.material import Request, requests
from gateway.commands.common import loaded
from gateway.config import Config
from retrieval.types import Vectors
from routing.complexity import BadModel
from routing.features import task_by_words
from routing.tasks import PACKAGED, Tasks


@dataclass(frozen=True, slots=True)
class Row:
    """One source."""

    source: str
    words: Estimate
    model: Estimate
    gained: Estimate


@click.command("tasks")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of public data sets.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=PACKAGED,
    help="A fitted model's folder; the packaged one where not given.",
)
@options.config
@options.cache
@options.as_json
def command(
    data: Path, model: Path, config_file: Path | None, cache: Path | None, json_file: Path | None
) -> None:
    """Accuracy of the router's tasks on requests for reporting, source by source."""
    config = loaded(config_file) if config_file else Config()
    asked = requests(data, "test")
    texts = [each.text for each in asked]
    _, vectors = asyncio.run(embedded(texts, config, cache or usual_folder()))
    try:
        rows = measured(Tasks.load(model), asked, vectors)
    except BadModel as error:
        raise click.ClickException(str(error)) from None
    for each in rows:
        click.echo(
            f"{each.source:14}{each.words.n:6} by words {each.words}, by the model {each.model}, "
            f"gained {each.gained:+}"
        )
    if json_file:
        json_file.write_text(json.dumps([asdict(each) for each in rows], indent=2) + "\n")


def measured(model: Tasks, asked: Sequence[Request], vectors: Vectors) -> list[Row]:
    """One row for each source, in the order in which they come."""
    rows = []
    for source in dict.fromkeys(each.source for each in asked):
        here = [(e, v) for e, v in zip(asked, vectors, strict=True) if e.source == source]
        words = [float(task_by_words(each.text) == each.task) for each, _ in here]
        told = [float(model.task(each.text, vector) == each.task) for each, vector in here]
        rows.append(Row(source, estimate(words), estimate(told), difference(told, words)))
    return rows
