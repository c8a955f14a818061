"""`moorline route explain`: where a question would go, and why; nothing is asked of a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.common import config_option, loaded
from gateway.commands.table import table
from gateway.config import Config, ConfigError

if TYPE_CHECKING:
    from gateway.reasons import Reasons
    from gateway.types import Ask, Caller

_PICTURE = {"type": "image_url", "image_url": {"url": "data:,"}}
_FIGURES = ("cost_usd", "latency_s", "quality")


@click.group()
def route() -> None:
    """Which model is asked."""


@route.command()
@click.argument("question")
@click.option("--model", default="auto", show_default=True, help="As a request would name it.")
@click.option("--grounded/--ungrounded", default=True, help="Whether documents are searched.")
@click.option("--team", default="default", show_default=True, help="Whose request it is.")
@click.option("--may-use", "models", multiple=True, help="The key's only models; repeat for more.")
@click.option("--region", default="", help="Where it has to be answered.")
@click.option("--image", is_flag=True, help="With a picture beside the question.")
@click.option("--tools", is_flag=True, help="With tools that the model may call.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def explain(
    question: str,
    model: str,
    grounded: bool,
    team: str,
    models: tuple[str, ...],
    region: str,
    image: bool,
    tools: bool,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Show where QUESTION would go: signals, rules, candidates with what is expected of them, and
    who is left out. Goes by the configuration alone, so a latency is the declared one."""
    from gateway.types import LOCAL, Ask, Caller

    content = [{"type": "text", "text": question}, _PICTURE] if image else question
    params = {"tools": [{"type": "function", "function": {"name": "any"}}]} if tools else {}
    ask = Ask(model, ({"role": "user", "content": content},), question, params, region=region)
    caller = Caller(LOCAL, LOCAL, team, models=models)
    config = loaded(config_file)
    try:
        found = asyncio.run(_reasons(config, caller, ask, grounded))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(asdict(found)) if as_json else told(found))


async def _reasons(config: Config, caller: Caller, ask: Ask, grounded: bool) -> Reasons:
    from gateway.build import open_router
    from gateway.reasons import reasons

    async with open_router(config) as (router, encoder):
        query = await encoder.query(ask.question) if router.embeds(ask) else None
        return reasons(router, caller, ask, grounded, query)


def told(found: Reasons) -> str:
    """For people."""
    if found.refused:
        return "\n".join([*_head(found), found.refused])
    lines = [*_head(found), f"{found.reason}: {found.targets[0]}, since {found.why}."]
    if found.candidates:
        rows = [_row(place, each) for place, each in enumerate(found.candidates, start=1)]
        lines += ["", table(("", "candidate", "USD", "seconds", "quality", "leads to"), rows)]
    lines += ["", f"tried in this order: {', '.join(found.targets)}"]
    lines += [f"left out: {name}, {why}" for name, why in (found.excluded or {}).items()]
    return "\n".join(lines)


def _head(found: Reasons) -> Iterator[str]:
    if found.signals:
        yield ", ".join(f"{name} {_shown(value)}" for name, value in found.signals.items() if value)
    for rule in found.rules:
        yield f"rule {rule.name!r} {'holds' if rule.held else 'does not hold'}: {rule.when}"


def _row(place: int, candidate: Mapping[str, Any]) -> tuple[str, ...]:
    figures = [candidate.get(name) for name in _FIGURES]
    shown = ("-" if figure is None else f"{figure:g}" for figure in figures)
    return str(place), candidate["model"], *shown, ", ".join(candidate["targets"])


def _shown(value: Any) -> str:
    if value is True:
        return "yes"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
