"""From a configuration to a running gateway, put together from the backends that it names.

Everything is opened in order, and closed in reverse, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache.types import AnswerCache
from cache.verification.types import Verifier
from context.prompts.catalogue import Prompts
from context.prompts.catalogue import opened as prompts_of
from context.prompts.template import BadPrompt
from context.tokens import counter, warm
from gateway.accounting import Accounting
from gateway.accounts.keys import Accounts
from gateway.accounts.limits import Limits
from gateway.adapters.registry import Registry
from gateway.adapters.shelved import Shelved
from gateway.adapters.targets import AdapterTargets
from gateway.admission import Admission
from gateway.asides import Asides
from gateway.backends import (
    learned,
    open_cache,
    open_clients,
    open_database,
    open_embedders,
    open_encoder,
    open_exchange,
    open_fleets,
    open_fresh_accounts,
    open_indexes,
    open_ledger_writer,
    open_limits,
    open_providers,
    open_reader,
    open_registry,
    open_reranker,
    open_verifier,
    open_vocabularies,
    reading,
)
from gateway.cascade import Cascade
from gateway.config import Config, ConfigError, FollowUpModel, ServerConfig
from gateway.continuing import Continuing
from gateway.conversations.store import Conversations
from gateway.degrade.canned import prepared
from gateway.degrade.ladder import Ladder
from gateway.deployments import Deployments
from gateway.dispatch import Dispatcher
from gateway.embedding.models import EmbeddingModels
from gateway.expanding import Expanding
from gateway.experiments import Experiments
from gateway.filing.files import Files
from gateway.filing.shelves import Shelves
from gateway.filing.stores import VectorStores
from gateway.fitting import Fitting, fitting
from gateway.fleet.fleets import Fleets
from gateway.following import Following
from gateway.grounding import Library
from gateway.judging import Judge
from gateway.keeping import FORMAT
from gateway.known import KnownAnswers
from gateway.ledger.database import Database
from gateway.ledger.queries import Queries
from gateway.ledger.writer import LedgerWriter
from gateway.long_documents.answering import LongDocuments
from gateway.long_documents.cases import Cases
from gateway.long_documents.work import House
from gateway.lookup import Lookup
from gateway.metrics.counts import Counts
from gateway.metrics.page import Metrics
from gateway.pipeline import Gateway
from gateway.providers.config import AdaptedProvider, ExtractiveProvider
from gateway.providers.prices import Prices
from gateway.recap import Recaps
from gateway.routes import Router
from gateway.screening import Screen
from gateway.shadows import Shadows
from gateway.sizes import USUAL_ANSWER
from gateway.strategies.chosen import Strategies
from gateway.strategies.run import Means
from gateway.structured import Starter, Structured
from gateway.types import Usage
from gateway.windows import Windows
from retrieval.config import NoExpansion
from retrieval.retriever import Retriever
from retrieval.types import Encoder, Indexes, Reranker, RetrievalError
from routing.catalogue import Catalogue
from routing.types import Limits as TargetLimits
from routing.types import Target

if TYPE_CHECKING:  # numpy: not for the import of the door
    from gateway.examples import Examples
    from retrieval.spelling.vocabulary import Vocabularies

log = logging.getLogger("moorline")


@dataclass(frozen=True, slots=True)
class Stores:
    """What is opened once and outlives a change of the configuration."""

    database: Database
    accounts: Accounts
    adapters: Registry
    limits: Limits
    ledger: LedgerWriter
    cache: AnswerCache
    verifier: Verifier | None
    encoder: Encoder
    indexes: Indexes
    vocabularies: Vocabularies
    reranker: Reranker | None
    reader: Reranker
    deployments: Deployments
    admission: Admission
    counts: Counts
    fleets: Fleets


KEPT_OPEN = frozenset(
    {"data", "server", "retrieval", "cache", "limits", "ledger", "tracing", "fleet", "adapters"}
)
"""Sections that `Stores` are opened with: changing one of them takes a restart."""


@asynccontextmanager
async def build(config: Config) -> AsyncIterator[Gateway]:
    """The whole gateway, for as long as the `async with` lasts."""
    async with open_stores(config) as stores, assemble(config, stores) as gateway:
        yield gateway


@asynccontextmanager
async def open_stores(config: Config) -> AsyncIterator[Stores]:
    """Everything that keeps something, ready to be used."""
    config.data.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        opened = stack.enter_async_context
        database = await opened(open_database(config))
        encoder = await opened(open_encoder(config))
        reranker = await opened(open_reranker(config))
        registry = await opened(open_registry(database))
        shelved = Shelved(registry, config.adapters.read_from(config.data))
        stores = Stores(
            database=database,
            accounts=await opened(open_fresh_accounts(config, database)),
            adapters=registry,
            limits=await opened(open_limits(config, Queries(database))),
            ledger=await opened(open_ledger_writer(config, database)),
            cache=await opened(open_cache(config)),
            verifier=await opened(open_verifier(config)),
            encoder=encoder,
            indexes=await opened(open_indexes(config, encoder)),
            vocabularies=await opened(open_vocabularies()),
            reranker=reranker,
            reader=await opened(open_reader(reranker)),
            deployments=Deployments(),
            admission=admission(config.server),
            counts=Counts(),
            fleets=await opened(open_fleets(config, shelved)),
        )
        await _told_of_foreign(stores)
        if reads_documents(config):  # otherwise the first to ask for them waits
            await asyncio.gather(asyncio.to_thread(warm), encoder.query("warm up"))
        yield stores


async def _told_of_foreign(stores: Stores) -> None:
    """Say which collections nothing is answered from, since another encoder wrote them."""
    try:
        foreign = await stores.indexes.foreign()
    except RetrievalError as error:  # whoever asks is told; the rest needs no index
        log.warning("The collections cannot be listed: %s", error)
        return
    for name, encoder in foreign.items():
        log.warning(
            "The collection %r was written by the encoder %r and is not read with %r. Embed it "
            "anew with `moorline reembed --collection %s`, or set retrieval.encoder back.",
            name,
            encoder,
            stores.encoder.name,
            name,
        )


def reads_documents(config: Config) -> bool:
    """Whether requests are grounded, or compared by meaning, without saying so themselves. A
    gateway that only passes chats on needs neither encoder nor vocabulary in its memory."""
    compared = config.cache.semantic.enabled or config.context.examples is not None
    return config.grounding.mode != "off" or compared


@asynccontextmanager
async def assemble(
    config: Config, stores: Stores, *, tended: bool = True
) -> AsyncIterator[Gateway]:
    """A gateway over stores that are open. Untended it takes up no work that clients have left to
    be done: another gateway may be doing it."""
    # numpy and parsers: not for the import of the door
    from gateway.examples import opened as opened_examples
    from gateway.ingestion import Collections
    from gateway.providers.extractive import plausible

    prices = Prices(config.all_providers)
    prompts = await opened_prompts(config)
    windows = Windows(config.context, config.all_providers, stores.counts.nearly_full)
    examples = None
    if pool := config.context.examples:
        told = prompts.used("examples")
        examples = await opened_examples(pool, windows, stores.encoder, told, config.data)
    async with (
        open_clients(config) as clients,
        open_providers(config, clients, stores.fleets) as providers,
        open_embedders(config, clients) as embedders,
        open_exchange(config, stores.deployments) as exchange,
    ):
        await prices.load()
        own = f"moorline/{stores.encoder.name}"
        named = catalogue(config)
        changed = bases(config, named)
        of_provider = {name: base.name for name, base in changed.items()}
        stores.counts.know([*embedders, own, *named.names()], of_provider)
        judge, screen = Judge(config.guardrails), Screen(config.guardrails)
        quoter = next(target for target in named.targets.values() if target.built_in)
        fits = fitting(config.all_providers, prices.listed)
        dispatcher = Dispatcher(
            providers,
            config.dispatch,
            fits,
            stores.deployments,
            longest=config.server.request_timeout,
        )
        asides = Asides(dispatcher, named, prices, counter())
        more = expanding(config, asides, stores.encoder, prompts)
        leading = following(config, asides, prompts)
        recapping = recaps(config, asides, prompts)
        models = await learned(config, stores.encoder)
        adapters = AdapterTargets(stores.adapters, changed)
        router = Router(named, config.routing, fits, prices, stores.deployments, models, adapters)
        await router.warm()
        experiments = (
            Experiments(config.experiments, router, prompts) if config.experiments else None
        )
        known = KnownAnswers(
            stores.cache,
            config.cache,
            policy(config, prompts, examples),
            stores.verifier,
            stores.encoder,
            config.degrade.keep_stale_for,
            by_key="key" in router.policy.asked,
        )
        whole = answers(config, dispatcher, fits)
        strategies = Strategies(
            Means(whole, config.strategies, prompts, windows, prices, counter(), stores.reader)
        )
        canned = await prepared(config.degrade, stores.encoder)
        library = Library(
            stores.indexes,
            Retriever(config.retrieval, stores.reranker, stores.vocabularies),
            config.grounding,
            windows,
            prompts,
            plausible,
            judging=extractive(config),
        )
        ladder = Ladder(config.degrade, providers[quoter.provider], quoter, judge, canned)
        files = Files(stores.database, config.data / "files", config.files)
        collections = Collections(stores.indexes, stores.encoder, config.retrieval, known.forget)
        shelves = Shelves(VectorStores(stores.database), files, collections)
        places = {name: each.region for name, each in config.all_providers.items()}
        accounting = Accounting(
            stores.limits,
            prices,
            stores.ledger,
            Queries(stores.database),
            counter(),
            stores.counts,
            named,
            beside=tuple(each.most for each in (leading, more) if each),
            strategies=config.strategies,
            adapters=adapters,
        )
        shadows = Shadows(adapters, dispatcher, judge, accounting, config.adapters.shadow)
        # From here on nothing fails: what outlives this gateway is not half configured.
        stores.deployments.configure(config.dispatch.breaker, usual_cost(prices))
        stores.deployments.share(exchange)
        stores.fleets.follow(providers, tended=tended)
        gateway = Gateway(
            config=config,
            accounts=stores.accounts,
            accounting=accounting,
            screen=screen,
            known=known,
            encoder=stores.encoder,
            embeddings=EmbeddingModels(stores.encoder, embedders, screen, places),
            conversations=Conversations(stores.database, config.conversations, screen.redacted),
            experiments=experiments,
            router=router,
            adapters=stores.adapters,
            following=leading,
            expanding=more,
            library=library,
            recaps=recapping,
            examples=examples,
            lookup=Lookup(library, stores.encoder, stores.reader, reading(config), screen, more),
            files=files,
            shelves=shelves,
            dispatcher=dispatcher,
            shadows=shadows,
            answers=Cascade(strategies, config.routing.cascade, fits, counter()),
            long_documents=LongDocuments(
                House(
                    dispatcher,
                    whole,
                    judge,
                    ladder,
                    Cases(prompts, windows, config.context, plausible, fits),
                ),
                library,
            ),
            ladder=ladder,
            judge=judge,
            admission=stores.admission,
            fleets=stores.fleets,
            metrics=Metrics(
                stores.counts,
                stores.admission,
                stores.ledger,
                clients,
                stores.deployments,
                stores.fleets,
            ),
        )
        async with shadows, shelves.tended() if tended else nullcontext():
            yield gateway


async def opened_prompts(config: Config) -> Prompts:
    """What models are told, as the configuration has it. Raises ConfigError."""
    context = config.context
    try:
        prompts = await asyncio.to_thread(prompts_of, context.prompts, context.prompt_versions)
    except BadPrompt as error:
        raise ConfigError(f"`context.prompts`: {error}") from None
    try:
        for name in config.routing.prompts:
            prompts.used(name).render()
    except BadPrompt as error:
        raise ConfigError(f"`prompt` of a rule or a task: {error}") from None
    return prompts


def following(config: Config, asides: Asides, prompts: Prompts) -> Following | None:
    """What makes follow-ups stand-alone, where that is a model."""
    chosen = config.grounding.follow_ups
    if isinstance(chosen, FollowUpModel):
        return Following(chosen, asides, prompts.used("stand_alone"))
    return None


def recaps(config: Config, asides: Asides, prompts: Prompts) -> Recaps | None:
    """What sums up turns that do not fit, where a model does."""
    chosen = config.context.summarise
    return Recaps(chosen, asides, prompts.used("recap")) if chosen else None


def expanding(
    config: Config, asides: Asides, encoder: Encoder, prompts: Prompts
) -> Expanding | None:
    """What words questions otherwise, if anything does."""
    match config.retrieval.expansion:
        case NoExpansion():
            return None
        case chosen:
            return Expanding(chosen, asides, encoder, prompts.used(chosen.kind))


@asynccontextmanager
async def open_expanding(config: Config, encoder: Encoder) -> AsyncIterator[Expanding | None]:
    """The same for a command that holds no gateway."""
    if isinstance(config.retrieval.expansion, NoExpansion):
        yield None
        return
    prices, prompts = Prices(config.all_providers), await opened_prompts(config)
    async with (
        open_clients(config) as clients,
        open_providers(config, clients, Fleets()) as providers,
    ):
        await prices.load()
        fits = fitting(config.all_providers, prices.listed)
        dispatcher = Dispatcher(providers, config.dispatch, fits)
        asides = Asides(dispatcher, catalogue(config), prices, counter())
        yield expanding(config, asides, encoder, prompts)


@asynccontextmanager
async def open_router(config: Config) -> AsyncIterator[tuple[Router, Encoder]]:
    """Who chooses a model, and what embeds for it; for a command that holds no gateway."""
    prices = Prices(config.all_providers)
    await prices.load()
    async with open_encoder(config) as encoder:
        fits = fitting(config.all_providers, prices.listed)
        models = await learned(config, encoder)
        yield Router(catalogue(config), config.routing, fits, prices, None, models), encoder


def admission(server: ServerConfig) -> Admission:
    """How many are answered at once."""
    return Admission(server.max_in_flight, server.max_waiting, server.max_wait)


def usual_cost(prices: Prices) -> Callable[[str], float]:
    """What a request of the usual size costs, to compare models; more than any where no price is
    known."""
    usual = Usage(prompt=1000, completion=USUAL_ANSWER)
    return lambda name: prices.cost(name, usual) if prices.known(name) else math.inf


def answers(config: Config, dispatcher: Dispatcher, fits: Fitting) -> Structured:
    """What stands around the dispatcher: a cut answer goes on, and each has its form."""
    starter: Starter = dispatcher
    if config.stream.on_cut == "continue":
        starter = Continuing(dispatcher, fits, counter())
    return Structured(starter, config.structured, counter())


def catalogue(config: Config) -> Catalogue:
    """Every model that can be named. The built-in one comes last, so that it is the fallback."""
    targets = {}
    for name, provider in config.all_providers.items():
        for model in provider.models:
            target = Target(
                name,
                model.name,
                model.window,
                model.max_output,
                provider.region,
                TargetLimits(
                    model.requests_per_minute, model.tokens_per_minute, model.max_parallel
                ),
                model.quality,
                model.latency,
                isinstance(provider, ExtractiveProvider),
            )
            targets[target.name] = target
    return Catalogue(targets, config.models)


def bases(config: Config, named: Catalogue) -> dict[str, Target]:
    """The models that adapters change, by their providers."""
    return {
        name: named.targets[f"{name}/{provider.base.name}"]
        for name, provider in config.all_providers.items()
        if isinstance(provider, AdaptedProvider) and provider.base
    }


def extractive(config: Config) -> set[str]:
    """The providers that answer by quoting."""
    named = config.all_providers.items()
    return {name for name, provider in named if isinstance(provider, ExtractiveProvider)}


NOT_SHAPING = {
    *("data", "server", "dispatch", "degrade", "stream", "ingestion", "cache", "conversations"),
    *("files", "limits", "ledger", "tracing", "metrics", "adapters"),
}
"""Sections that change no answer that is kept. One that is new is taken to change them."""


def policy(config: Config, prompts: Prompts, examples: Examples | None = None) -> str:
    """A digest of everything that shapes an answer: with it a change of policy misses the cache."""
    shaping = config.model_dump_json(exclude=NOT_SHAPING)
    shown = examples.digest if examples else ""
    return hashlib.sha256(f"{FORMAT}{shaping}{prompts.digest}{shown}".encode()).hexdigest()
