"""Options that several suites take, each meaning the same in all of them."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, exists=True)

dataset = click.option("--data", required=True, type=_FOLDER, help="A set's folder.")
part = click.option(
    "--part", type=click.Choice(["test", "validation", "all"]), default="all", show_default=True
)
limit = click.option("--limit", type=click.IntRange(min=1), help="Only the first questions.")
limit_of_kinds = click.option(
    "--limit", type=click.IntRange(min=1), help="Only the first questions of each kind."
)
unanswerable = click.option(
    "--unanswerable",
    type=_FOLDER,
    help="SQuAD 2.0's JSON; of it, the paragraphs that the data's questions belong to.",
)
config = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings of [retrieval]; the defaults where not given.",
)
cache = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where vectors are remembered between runs; the user's cache folder where not given.",
)
as_json = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write it there too."
)
