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


if __name__ == "__main__":
    group()
