"""What several commands share: the --config option and how its errors are told."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.config import Config, ConfigError, load

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration file; moorline.toml where there is one.",
)


def loaded(file: Path | None) -> Config:
    """The configuration, or the command's end with what is wrong with it."""
    try:
        return load(file)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
