"""The `moorline` command. Each subcommand lives in its own module and is imported when used.

Commands of folders above the gateway (`eval`, `bench`) are found by entry point, so that imports
go on pointing one way.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

import click

COMMANDS = {
    "up": "gateway.commands.up",
    "serve": "gateway.commands.serve",
    "ingest": "gateway.commands.ingest",
    "search": "gateway.commands.search",
    "collections": "gateway.commands.collections",
    "summarize": "gateway.commands.summarize",
    "documents": "gateway.commands.documents",
    "reembed": "gateway.commands.reembed",
    "cache": "gateway.commands.cache",
    "route": "gateway.commands.route",
    "experiments": "gateway.commands.experiments",
    "traces": "gateway.commands.traces",
    "keys": "gateway.commands.keys",
    "adapters": "gateway.commands.adapters",
    "prompts": "gateway.commands.prompts",
    "vllm": "gateway.commands.vllm",
    "doctor": "gateway.commands.doctor",
}


class Commands(click.Group):
    """Looks subcommands up by name, and loads only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(each.name for each in entry_points(group="moorline.commands"))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if module := COMMANDS.get(name):
            found = getattr(importlib.import_module(module), name)
        else:
            point = next(iter(entry_points(group="moorline.commands", name=name)), None)
            found = point.load() if point else None
        return found if isinstance(found, click.Command) else None


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="moorline")
def main() -> None:
    """Moorline keeps the answers of language models tied to your own documents."""
