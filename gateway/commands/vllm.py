"""`moorline vllm command`: how a vLLM is to be started that a provider's section describes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.adapters.store import AdapterStore
from gateway.commands.common import config_option, ledger_database
from gateway.config import ConfigError, resolved, written
from gateway.fleet.serving import Command, NotServable, commands
from gateway.providers.config import ModelConfig, VllmProvider

SECRET = "env:"


@click.group()
def vllm() -> None:
    """Engines that the gateway asks."""


@vllm.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def command(model: str, as_json: bool, config_file: Path | None) -> None:
    """Print what starts MODEL, `name` or `provider/name` of a provider of kind vllm. The rank is
    the smallest that holds the adapters that are registered. A key is told by its variable."""
    try:
        name, provider, chosen = _found(config_file, model)
        given = written(config_file, "providers", name).get("api_key")
        found = commands(provider, chosen, _variable(given), _ranks(config_file, name))
    except (ConfigError, NotServable) as error:
        raise click.ClickException(str(error)) from None
    told = [asdict(each) for each in found]
    click.echo(json.dumps(told) if as_json else "\n".join(_lines(found)))


def _lines(found: list[Command]) -> Iterator[str]:
    for each in found:
        if len(found) > 1:
            yield f"# {each.address}"
        yield from (f"# {note}" for note in each.notes)
        yield each.shell()


def _found(file: Path | None, wanted: str) -> tuple[str, VllmProvider, ModelConfig]:
    """The provider's name and section, and the model. No secret is resolved: none is needed."""
    known = []
    for name, raw in written(file, "providers").items():
        if raw.get("kind") != "vllm":
            continue
        config = resolved({"providers": {name: _without_secrets(raw)}}, str(file))
        provider = config.providers[name]
        assert isinstance(provider, VllmProvider)
        for model in provider.models:
            if wanted in (model.name, f"{name}/{model.name}"):
                return name, provider, model
            known.append(f"{name}/{model.name}")
    raise click.ClickException(
        f"No provider of kind vllm has a model {wanted!r}; known: {', '.join(known) or 'none'}."
    )


def _without_secrets(raw: Mapping[str, Any]) -> dict[str, Any]:
    secret = ("api_key", "headers", "proxy")
    return {key: value for key, value in raw.items() if key not in secret}


def _variable(key: object) -> str | None:
    """Where a key is to be found; one that is written out is not repeated."""
    if not isinstance(key, str):
        return None
    return key.removeprefix(SECRET) if key.startswith(SECRET) else "VLLM_API_KEY"


def _ranks(file: Path | None, provider: str) -> list[int]:
    with ledger_database(file) as database:
        return [
            adapter.facts.rank
            for held in AdapterStore(database).all()
            for adapter in held.revisions.values()
            if adapter.provider == provider
        ]
