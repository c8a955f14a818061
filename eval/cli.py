"""`moorline eval`: how good the answers and what is under them are."""

from __future__ import annotations

import importlib

import click

SUITES = {
    "answers": "eval.suites.answers",
    "cache": "eval.suites.cache",
    "chunking": "eval.suites.chunking",
    "context": "eval.suites.context",
    "instructions": "eval.suites.instructions",
    "long": "eval.suites.long",
    "reader": "eval.suites.reader",
    "retrieval": "eval.suites.retrieval",
    "routing": "eval.suites.routing",
    "spelling": "eval.suites.spelling",
    "tasks": "eval.suites.tasks",
    "wordings": "eval.suites.wordings",
}
"""Each suite is a module with a `command`, imported when it is run."""


class Suites(click.Group):
    """Looks suites up by name, and loads only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUITES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in SUITES:
            return None
        found = importlib.import_module(SUITES[name]).command
        return found if isinstance(found, click.Command) else None


@click.command(cls=Suites, name="eval")
def group() -> None:
    """Measure quality on a data set, with sample sizes and intervals."""
