"""`moorline bench`: how fast it is, measured here and now."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="bench")
def group() -> None:
    """Measure speed on this machine."""


@group.command()
@click.option("--rounds", default=3, show_default=True, help="Interleaved; medians are reported.")
@click.option("--seconds", default=1.5, show_default=True, help="Of each measurement.")
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    type=click.Choice(["direct", "raw", "fastapi", "gateway"]),
    help="May be given several times; all by default.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def overhead(
    rounds: int, seconds: float, subjects: tuple[str, ...], json_file: Path | None
) -> None:
    """What the gateway adds to a call, beside two bare pass-throughs."""
    from eval.bench.load import LoadFailed
    from eval.bench.overhead import measure, table
    from eval.bench.processes import NotReady

    names = subjects or ("direct", "raw", "fastapi", "gateway")
    try:
        report = measure(names, rounds, seconds)
    except (NotReady, LoadFailed) as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="BEIR.")
@click.option("--limit", default=300, show_default=True, help="Questions.")
def answer(data: Path, limit: int) -> None:
    """A grounded answer of the built-in model, stage by stage."""
    from eval.bench.answer import measure, table
    from eval.datasets import BadDataset

    def told(done: int) -> None:
        click.echo(f"\r{done} documents", nl=False, err=True)

    try:
        report = measure(data, limit, told)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"\n{table(report)}")


if __name__ == "__main__":
    group()
