"""`moorline prompts`: what models are told, in which versions, and whether its cases hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from context.prompts.catalogue import Prompts, all_cases, opened
from context.prompts.template import BadPrompt, Template
from gateway.commands.common import config_option, loaded
from gateway.commands.table import table
from gateway.config import Config


@click.group()
def prompts() -> None:
    """List, show, compare, render and test the prompts that models are given."""


@prompts.command("list")
@config_option
def list_prompts(config_file: Path | None) -> None:
    """Show every prompt: which version is in use, which there are, what it is for."""
    with _opened(config_file) as (known, _):
        rows = [_row(known, name) for name in known.names()]
    click.echo(table(("prompt", "in use", "versions", "what for"), rows))


def _row(known: Prompts, name: str) -> tuple[str, ...]:
    used = known.used(name)
    versions = ", ".join(map(_version, known.versions(name)))
    return (name, _version(used), versions, used.about)


def _version(template: Template) -> str:
    return f"v{template.version}" if template.packaged else f"v{template.version} (yours)"


@prompts.command()
@click.argument("name")
@config_option
def show(name: str, config_file: Path | None) -> None:
    """Show a prompt, NAME or NAME@vN, as it is written, and its variables."""
    with _opened(config_file) as (known, _):
        template = known.named(name)
    click.echo(f"{template.id} ({template.language}): {template.about}", err=True)
    for variable, meaning in template.variables.items():
        click.echo(f"  {{{variable}}}: {meaning}", err=True)
    click.echo(template.text)


@prompts.command()
@click.argument("name")
@click.argument("before")
@click.argument("after")
@config_option
def diff(name: str, before: str, after: str, config_file: Path | None) -> None:
    """Compare two versions of a prompt: diff strict v1 v2."""
    with _opened(config_file) as (known, _):
        old, new = known.named(f"{name}@{before}"), known.named(f"{name}@{after}")
    lines = difflib.unified_diff(
        old.text.splitlines(), new.text.splitlines(), old.id, new.id, lineterm=""
    )
    for line in lines:
        click.echo(line)


@prompts.command()
@click.argument("name")
@click.option("--var", "values", multiple=True, metavar="NAME=TEXT", help="A variable's value.")
@config_option
def render(name: str, values: tuple[str, ...], config_file: Path | None) -> None:
    """Print a prompt, NAME or NAME@vN, as a model would be given it."""
    if odd := next((each for each in values if "=" not in each), None):
        raise click.BadParameter(f"{odd!r} is not NAME=TEXT.", param_hint="--var")
    with _opened(config_file) as (known, _):
        given = dict(each.split("=", 1) for each in values)
        click.echo(known.named(name).render(**given))


@prompts.command("test")
@config_option
def run_cases(config_file: Path | None) -> None:
    """Hold every version against its cases, NAME.cases.toml; exit with 1 where one fails."""
    with _opened(config_file) as (known, config):
        cases = all_cases(known, config.context.prompts)
    failures = [
        failure
        for case in cases
        for template in known.versions(case.prompt)
        for failure in case.failures(template)
    ]
    for failure in failures:
        click.echo(failure)
    click.echo(f"{len(cases)} cases, {len(failures)} failures.")
    raise SystemExit(1 if failures else 0)


@contextmanager
def _opened(file: Path | None) -> Iterator[tuple[Prompts, Config]]:
    """The prompts of a configuration; what is wrong with one ends the command."""
    config = loaded(file, only=("context",))
    try:
        yield opened(config.context.prompts, config.context.prompt_versions), config
    except BadPrompt as error:
        raise click.ClickException(str(error)) from error
