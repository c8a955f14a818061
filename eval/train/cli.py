"""`moorline train`: fits the models that Moorline brings along, or one's own in their place."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="train")
def group() -> None:
    """Fit a model (extra `train`)."""


@group.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="The folder of public data sets that the packaged reader is trained on.",
)
@click.option(
    "--pairs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own judged pairs, a JSON object a line: question, text, label (1 or 0) and, where "
    "the text holds it, the answer.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of a reader to go on from: with --pairs the packaged one, else the encoder's.",
)
@click.option("--steps", type=click.IntRange(min=1), default=700, show_default=True)
@click.option("--minutes", type=click.FloatRange(min=0.1), help="An end before all steps are done.")
@click.option("--rate", type=float, default=1.5e-4, show_default=True, help="Of learning.")
@click.option(
    "--answers",
    default=0.3,
    show_default=True,
    help="Weight of the answer's loss.",
)
@click.option(
    "--groups",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Questions of a step that are read with a right passage and four wrong ones.",
)
@click.option(
    "--answering",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Questions of a step that are there for their answers, with one passage each.",
)
@click.option("--seed", default=13, show_default=True)
@click.option("--threads", default=2, show_default=True)
def reranker(
    data: Path | None,
    pairs: Path | None,
    out: Path,
    start: Path | None,
    steps: int,
    minutes: float | None,
    rate: float,
    answers: float,
    groups: int,
    answering: int,
    seed: int,
    threads: int,
) -> None:
    """A reader: on public data sets, or fitted to pairs of your own."""
    from eval.train.reranker.own import BadPairs
    from eval.train.reranker.recipe import Recipe

    if (data is None) == (pairs is None):
        raise click.UsageError("Give --data or --pairs.")
    recipe = Recipe(
        steps=steps,
        minutes=minutes,
        groups=groups,
        answering=answering,
        rate=rate,
        span_share=answers,
        seed=seed,
        threads=threads,
    )
    try:
        from eval.train.reranker.run import fitted
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"Training needs {error.name}, which is not installed: `make train`, or "
            "`pip install 'moorline[train]'`."
        ) from None
    try:
        report = fitted(recipe, out, data, pairs, start)
    except BadPairs as error:
        raise click.ClickException(str(error)) from None
    click.echo(report)


if __name__ == "__main__":
    group()
