"""`moorline experiments`: what each variant has come to, and whether to stop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from gateway.commands.common import config_option, ledger_database, loaded
from gateway.commands.table import table
from gateway.ledger.queries import Queries
from gateway.ledger.types import CallersPart
from routing.experiments.config import Experiment, Metric
from routing.experiments.intervals import FEWEST, Difference
from routing.experiments.results import METRICS, Arm, Part, Results, results

_UNITS: Mapping[Metric, str] = {
    "faithfulness": "faithfulness",
    "cost": "USD a request",
    "latency": "ms",
    "errors": "errors",
}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def experiments(name: str | None, as_json: bool, config_file: Path | None) -> None:
    """List the experiments; with NAME, compare its variants. The intervals hold however often one
    looks, so it may be stopped as soon as this says so."""
    configured = loaded(config_file, only=("experiments",)).experiments
    with ledger_database(config_file) as database:
        queries = Queries(database)
        if name is None:
            _list(queries, configured, as_json)
            return
        parts = queries.drawn(name)
    experiment = configured.get(name)
    if not parts and experiment is None:
        raise click.ClickException(f"There is no experiment {name!r}; see: moorline experiments")
    found = compared(parts, experiment)
    click.echo(json.dumps(asdict(found)) if as_json else told(found))


def compared(parts: list[CallersPart], experiment: Experiment | None) -> Results:
    """What the ledger's rows come to. Of an experiment that is configured no longer the variants
    are known by their rows."""
    seen = sorted({part.variant for part in parts})
    variants = list(experiment.variants) if experiment else seen
    decides: Metric = experiment.decides if experiment else "faithfulness"
    return results(variants, [_part(part) for part in parts], decides)


def _list(queries: Queries, configured: Mapping[str, Experiment], as_json: bool) -> None:
    names = list(dict.fromkeys([*configured, *queries.experiments()]))
    if as_json:
        click.echo(json.dumps(names))
        return
    if not names:
        click.echo("No experiments.")
        return
    rows = [(name, *_described(configured.get(name))) for name in names]
    click.echo(table(("experiment", "variants", "when"), rows))


def _described(experiment: Experiment | None) -> tuple[str, str]:
    if experiment is None:
        return "configured no longer", ""
    shares = (f"{name} {each.share:.0%}" for name, each in experiment.variants.items())
    return ", ".join(shares), experiment.when or "always"


def _part(part: CallersPart) -> Part:
    means: dict[Metric, float] = {
        "cost": part.cost_usd / part.requests,
        "latency": part.latency_ms / part.requests,
        "errors": part.errors / part.requests,
    }
    if part.judged:
        means["faithfulness"] = part.faithfulness / part.judged
    return Part(part.variant, part.requests, means)


def told(found: Results) -> str:
    """For people."""
    head = ("variant", "callers", "requests", *(_UNITS[metric] for metric in METRICS))
    lines = [table(head, [_row(arm) for arm in found.arms]), ""]
    first = found.arms[0].variant
    for arm in found.arms[1:]:
        lines += _differences(arm, first)
    return "\n".join([*lines, f"{found.verdict}."])


def _row(arm: Arm) -> tuple[str, ...]:
    means = (arm.means.get(metric) for metric in METRICS)
    shown = ("-" if mean is None else f"{mean:.4g}" for mean in means)
    return arm.variant, str(arm.callers), str(arm.requests), *shown


def _differences(arm: Arm, first: str) -> Iterator[str]:
    if not arm.differences:
        yield f"{arm.variant}: no intervals before {FEWEST} callers of it and of {first}"
    for metric, seen in arm.differences.items():
        yield f"{arm.variant} less {first}, {_UNITS[metric]}: {_interval(seen)}"


def _interval(seen: Difference) -> str:
    return f"{seen.value:+.4g} ({seen.low:+.4g} to {seen.high:+.4g})"
