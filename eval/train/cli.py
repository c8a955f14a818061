"""`moorline train`: fits the models that Moorline brings along, or one's own in their place."""

from __future__ import annotations

from pathlib import Path

import click

from eval.suites.options import cache, config


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
        raise _missing(error) from None
    try:
        report = fitted(recipe, out, data, pairs, start)
    except BadPairs as error:
        raise click.ClickException(str(error)) from None
    click.echo(report)


@group.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="RouteLLM's folder, whose outcomes the packaged model is trained on.",
)
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own, a JSON object a line: question, cheap and strong (0 to 1); or question, model "
    "and score, one model's answer at a time. With a subject, what belongs together is held out "
    "together.",
)
@click.option("--cheap", default="", help="The cheap model's name in lines of one model.")
@click.option("--strong", default="", help="The strong model's.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--trees", type=click.IntRange(min=1), default=250, show_default=True)
@click.option("--bags", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seed", default=13, show_default=True)
@config
@cache
def router(
    data: Path | None,
    outcomes: Path | None,
    cheap: str,
    strong: str,
    out: Path,
    trees: int,
    bags: int,
    seed: int,
    config_file: Path | None,
    cache: Path | None,
) -> None:
    """A model of complexity: whether the cheap model will do, from past outcomes."""
    from eval.remembered import usual_folder
    from eval.train.router import outcomes as read
    from gateway.commands.common import loaded
    from gateway.config import Config

    if (data is None) == (outcomes is None):
        raise click.UsageError("Give --data or --outcomes.")
    try:
        from eval.train.router.fitting import Recipe
        from eval.train.router.run import trained
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    recipe = Recipe(trees=trees, bags=bags, seed=seed)
    settings = loaded(config_file) if config_file else Config()
    try:
        known = read.packaged(data) if data else read.own(outcomes or Path(), cheap, strong)
        name = (data or outcomes or Path()).name
        click.echo(trained(known, name, out, settings, cache or usual_folder(), recipe))
    except read.BadOutcomes as error:
        raise click.ClickException(str(error)) from None


@group.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of public data sets.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@config
@cache
def tasks(data: Path, out: Path, config_file: Path | None, cache: Path | None) -> None:
    """A model of what requests are for; needs no extra."""
    import asyncio
    from dataclasses import asdict

    from eval.remembered import embedded, usual_folder
    from eval.train.tasks.fitting import Recipe, fitted
    from eval.train.tasks.material import requests
    from gateway.commands.common import loaded
    from gateway.config import Config

    settings = loaded(config_file) if config_file else Config()
    known = requests(data, "train")
    texts = [each.text for each in known]
    name, vectors = asyncio.run(embedded(texts, settings, cache or usual_folder()))
    recipe = Recipe()
    model = fitted(known, vectors, name, recipe)
    model.save(out, {"requests": len(known), "recipe": asdict(recipe)})
    click.echo(f"{len(known)} requests; `moorline eval tasks --model {out}` measures it")


@group.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder with gptcache_qqp and clinc_oos.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--seed", default=13, show_default=True)
@click.option("--threads", default=2, show_default=True)
def verifier(data: Path, out: Path, seed: int, threads: int) -> None:
    """What says whether an earlier question is the same one: for the semantic cache."""
    from eval.train.verifier.recipe import Recipe

    try:
        from eval.train.verifier.run import made
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    click.echo(made(Recipe(seed=seed, threads=threads), data, out))


@group.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(data: Path) -> None:
    """Look instruction data over (Alpaca's layout) before an adapter learns from it: outputs that
    are missing or contradict each other, secrets, personal data. Exits with 1 if any is wrong."""
    from eval.datasets import BadDataset
    from eval.instructions import part, problems, read

    try:
        rows = read(data)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    found = problems(rows)
    for each in found:
        click.echo(f"line {each.line} {each.what}{'' if each.wrong else ' (kept)'}")
    wrong = sum(each.wrong for each in found)
    sides = ", ".join(f"{len(part(rows, side))} to {side}" for side in ("train", "test"))
    click.echo(f"{len(rows)} instructions, {sides}; {wrong or 'none'} wrong")
    raise SystemExit(1 if wrong else 0)


def _missing(error: ModuleNotFoundError) -> click.ClickException:
    return click.ClickException(
        f"Training needs {error.name}, which is not installed: `make train`, or "
        "`pip install 'moorline[train]'`."
    )


if __name__ == "__main__":
    group()
