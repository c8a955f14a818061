"""`moorline cache`: what is kept, forgetting it, and why a question is answered from it or not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cache.config import RedisStore
from cache.types import CacheDown
from gateway.commands.common import config_option, loaded
from gateway.config import Config
from gateway.control import running
from retrieval.types import RetrievalError

NOBODY = "No gateway runs here, and what it kept in its memory went with it."


@click.group()
def cache() -> None:
    """Show, empty and explain the answer cache."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def stats(as_json: bool, config_file: Path | None) -> None:
    """How much is kept, and how old it is."""
    found = _asked(loaded(config_file), "stats", {})
    click.echo(json.dumps(found) if as_json else _counted(found))


@cache.command()
@click.option("--document", help="Answers that stand on it, in whatever version.")
@click.option("--collection", help="Answers from this collection.")
@click.option("--key", help="The answer with this exact key, see `explain`.")
@click.option("--all", "everything", is_flag=True, help="All answers.")
@config_option
def purge(
    document: str | None,
    collection: str | None,
    key: str | None,
    everything: bool,
    config_file: Path | None,
) -> None:
    """Forget answers; with several options those that meet all of them."""
    which = {"document": document, "collection": collection, "key": key}
    if everything == any(value is not None for value in which.values()):
        raise click.UsageError("Say which: --document, --collection or --key, or else --all.")
    found = _asked(loaded(config_file), "purge", which)
    click.echo(f"Forgot {found['purged']} answers.")


@cache.command()
@click.argument("question")
@click.option("--collection", help="Documents to answer from; the default one where not given.")
@click.option("--model", default="auto", show_default=True, help="As a request would name it.")
@click.option("--as", "caller", help="A key's public id, whose request it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def explain(
    question: str,
    collection: str | None,
    model: str,
    caller: str | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """What a running gateway would do with QUESTION: its key, what is kept under it, what is near.

    Asks no model and searches nothing."""
    asked = {"question": question, "collection": collection, "model": model, "caller": caller}
    config = loaded(config_file)
    if running(config.data) is None:
        raise click.ClickException("No gateway runs here; one has to be asked.")
    found = _asked(config, "explain", asked)
    click.echo(json.dumps(found) if as_json else _explained(found))


def _asked(config: Config, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Of the gateway that runs, or of a store that is there without one."""
    try:
        if control := running(config.data):
            return asyncio.run(control.asked(f"cache/{what}", body))
        if not isinstance(config.cache.store, RedisStore):
            raise click.ClickException(NOBODY)
        return asyncio.run(_of_redis(config, what, body))
    except (RetrievalError, CacheDown) as error:
        raise click.ClickException(str(error)) from error


async def _of_redis(config: Config, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    from gateway.backends import open_cache

    async with open_cache(config) as store:
        if what == "stats":
            return asdict(await store.stats())
        return {"purged": await store.purge(**body)}


def _counted(found: Mapping[str, Any]) -> str:
    about = "about " if found["estimated"] else ""
    lines = [
        f"{about}{found['entries']} answers, {found['bytes'] / 2**20:.1f} MiB",
        f"{found['questions']} questions to compare in {found['scopes']} scopes",
    ]
    if found["oldest"] is not None:
        now = time.time()
        ages = f"{now - found['newest']:.0f} to {now - found['oldest']:.0f}"
        lines.append(f"{ages} seconds old")
    return "\n".join(lines)


def _explained(found: Mapping[str, Any]) -> str:
    lines = [found["verdict"]]
    if found["key"]:
        lines.append(f"key      {found['key']}")
    if found["edition"]:
        lines.append(f"edition  {found['edition']}")
    lines += [f"{name:<8} {json.dumps(part)}" for name, part in found["parts"].items()]
    if found["exact"]:
        lines.append(f"kept     {_entry(found['exact'])}")
    for each in found["near"]:
        does = "would do" if each["would_do"] else f"would not do ({'; '.join(each['reasons'])})"
        lines.append(f"near     {each['cosine']:.3f} {does}: {each['question']!r}, {_entry(each)}")
    return "\n".join(lines)


def _entry(each: Mapping[str, Any]) -> str:
    edition = "of this edition" if each["fresh"] else "of an older edition"
    return f"{each['age']:.0f} s old, {edition}, on {', '.join(each['sources']) or 'no documents'}"
