"""`moorline tune`: settings fitted to a user's own collection."""

from __future__ import annotations

import importlib

import click

COMMANDS = {"cache": "eval.tune.cache", "retrieval": "eval.tune.retrieval"}
"""Each is a module with a `command`, imported when it is run."""


class Commands(click.Group):
    """Looks commands up by name, and loads only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found = importlib.import_module(COMMANDS[name]).command
        return found if isinstance(found, click.Command) else None


@click.command(cls=Commands, name="tune")
def group() -> None:
    """Fit settings to a collection, on questions that its users ask."""
