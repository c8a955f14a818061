"""Whether prompts fit, and how near their counts are: random prompts against every window, and
estimates of tokens against the real tokenizers that are at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from context import tokenizer_files
from context.families import FAMILIES, UNKNOWN, Weights
from context.splits import SUFFIX, packed
from context.tokens import counter
from eval.counting import Error, NothingToCount, fitted, measured, splits_of, texts_in
from eval.packed import case, wrong
from eval.suites import options

_SEED = 13
_SHOWN = 5  # cases that went wrong


@dataclass(frozen=True, slots=True)
class Row:
    """One family's estimate, beside its real tokenizer."""

    family: str
    shipped: Error  # of the weights that are shipped
    left_out: Error  # of weights fitted without the kind of text that is judged
    plain: Error  # of o200k's count as it is
    weights: Weights  # fitted to all


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    cases: int
    seed: int
    wrong: Sequence[str]
    kinds: int
    rows: Sequence[Row]


@click.command("context")
@click.option("--cases", default=10_000, show_default=True, help="Random prompts.")
@click.option("--seed", default=_SEED, show_default=True, help="The first of them.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Texts to count, of all kinds; needed for --tokenizer.",
)
@click.option(
    "--tokenizer",
    "tokenizers",
    multiple=True,
    metavar="FAMILY=FILE",
    help="A real tokenizer (tokenizer.json, tekken.json) to hold a family's estimate against.",
)
@click.option("--fit", is_flag=True, help="Print weights fitted to all texts.")
@click.option(
    "--splits",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write into how many tokens each of o200k's falls there, a file a family; and no more.",
)
@options.as_json
def command(
    cases: int,
    seed: int,
    data: Path | None,
    tokenizers: tuple[str, ...],
    fit: bool,
    splits: Path | None,
    json_file: Path | None,
) -> None:
    """Prompts against windows, and estimates of tokens against real tokenizers."""
    files = dict(map(_named, tokenizers))
    if splits:
        for name, file in files.items():
            own = splits_of(tokenizer_files.counting(file))
            (splits / f"{name}{SUFFIX}").write_bytes(packed(own))
        return
    if files and data is None:
        raise click.UsageError("--tokenizer needs --data, the texts to count.")
    failures = _failures(cases, seed, files)
    kinds: Mapping[str, Sequence[str]] = {}
    rows: list[Row] = []
    if data and files:
        try:
            kinds = texts_in(data, seed)
            rows = [_row(name, file, kinds) for name, file in files.items()]
        except (NothingToCount, tokenizer_files.BadTokenizer) as error:
            raise click.ClickException(str(error)) from None
    report = Report(cases, seed, failures, len(kinds), rows)
    click.echo(table(report, fit))
    if json_file:
        json_file.write_text(json.dumps(asdict(report), indent=2))
    if failures:
        raise SystemExit(1)


def table(report: Report, fit: bool = False) -> str:
    """The report for people."""
    lines = [f"{report.cases:,} random prompts, {len(report.wrong)} of them wrong"]
    lines += report.wrong[:_SHOWN]
    if report.rows:
        texts = report.rows[0].shipped.texts
        lines += [
            "",
            f"{texts:,} texts of {report.kinds} kinds; error of the estimate, and the share of "
            "texts within 5 %",
            f"{'family':10} {'median':>7} {'p95':>6} {'≤ 5 %':>6}   left out: p95, kind as one"
            "   o200k: p95",
        ]
    for row in report.rows:
        told, out = row.shipped, row.left_out
        lines.append(
            f"{row.family:10} {told.median:7.1%} {told.p95:6.1%} {told.within:6.0%}   "
            f"{out.p95:13.1%} {out.together:12.1%}   {row.plain.p95:10.1%}"
        )
        if fit:
            lines.append(f"{'':10} {row.weights}")
    return "\n".join(lines)


def _named(given: str) -> tuple[str, Path]:
    name, _, file = given.partition("=")
    found = tokenizer_files.found(Path(file)) if file else None
    if found is None:
        raise click.UsageError(f"{given!r} names no tokenizer: write FAMILY=FILE.")
    return name, found


def _failures(cases: int, seed: int, files: Mapping[str, Path]) -> list[str]:
    own = [counter(name, file) for name, file in files.items()]
    failed = []
    for number in range(seed, seed + cases):
        if what := wrong(case(number, own)):
            failed.append(f"case {number}: {what}")
    return failed


def _row(name: str, file: Path, kinds: Mapping[str, Sequence[str]]) -> Row:
    count = tokenizer_files.counting(file)
    family = next((each for each in FAMILIES if each.name == name), UNKNOWN)
    return Row(
        name,
        measured(kinds, count, family.weights, family),
        measured(kinds, count, None, family),
        measured(kinds, count, Weights(1)),
        fitted(kinds, count, family),
    )
