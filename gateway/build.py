"""From a configuration to a running gateway; the only module that names concrete backends.

Everything is opened here, in order, and closed in reverse, whatever happens in between. What
blocks is opened in threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache.config import MemoryStore, RedisStore
from cache.types import AnswerCache
from cache.verification.types import Verifier
from context.prompts.catalogue import Prompts
from context.prompts.catalogue import opened as prompts_of
from context.prompts.template import BadPrompt
from context.tokens import counter, warm
from gateway.accounting import Accounting
from gateway.accounts.keys import Accounts
from gateway.accounts.limits import Limits
from gateway.accounts.limits import open_limits as limits_of
from gateway.admission import Admission
from gateway.asides import Asides
from gateway.breakers.config import MemoryStore as MemoryBreakers
from gateway.breakers.config import RedisStore as RedisBreakers
from gateway.breakers.sharing import Exchange
from gateway.cascade import Cascade
from gateway.config import Config, ConfigError, FollowUpModel, ServerConfig
from gateway.continuing import Continuing
from gateway.conversations.store import Conversations
from gateway.degrade.canned import prepared
from gateway.degrade.ladder import Ladder
from gateway.deployments import Deployments
from gateway.dispatch import Dispatcher
from gateway.embedding.batches import Batches
from gateway.embedding.models import EmbeddingModels
from gateway.expanding import Expanding
from gateway.experiments import Experiments
from gateway.filing.files import Files
from gateway.filing.shelves import Shelves
from gateway.filing.stores import VectorStores
from gateway.fitting import Fitting, fitting
from gateway.following import Following
from gateway.grounding import Library
from gateway.judging import Judge
from gateway.keeping import FORMAT
from gateway.known import KnownAnswers
from gateway.ledger.database import Database
from gateway.ledger.database import open_database as database_of
from gateway.ledger.queries import Queries
from gateway.ledger.writer import LedgerWriter
from gateway.long_documents.answering import LongDocuments
from gateway.long_documents.cases import Cases
from gateway.long_documents.work import House
from gateway.lookup import Lookup
from gateway.metrics.counts import Counts
from gateway.metrics.page import Metrics
from gateway.pipeline import Gateway
from gateway.providers.base import Embedder, Provider
from gateway.providers.config import (
    ExtractiveProvider,
    LiteLlmProvider,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
    VllmProvider,
)
from gateway.providers.prices import Prices
from gateway.providers.wire import trust
from gateway.providers.wire.client import Client
from gateway.providers.wire.proxies import Proxies, Proxy
from gateway.recap import Recaps
from gateway.routes import Classifier, Learned, Predictor, Router
from gateway.screening import Screen
from gateway.sizes import USUAL_ANSWER
from gateway.strategies.chosen import Strategies
from gateway.strategies.run import Means
from gateway.structured import Starter, Structured
from gateway.tracing.sinks import open_sinks
from gateway.types import Usage
from gateway.windows import Windows
from guardrails.pii import redacted
from retrieval.config import (
    CrossEncoderReranker,
    EmbeddedIndex,
    HttpEncoder,
    HttpReranker,
    MiniLMEncoder,
    NoExpansion,
    NoReranker,
    QdrantIndex,
    ReaderReranker,
    SentenceTransformersEncoder,
)
from retrieval.retriever import Retriever
from retrieval.types import Encoder, Indexes, Reranker, RetrievalError
from routing.catalogue import Catalogue
from routing.policy import Enough, asked
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
    limits: Limits
    ledger: LedgerWriter
    cache: AnswerCache
    verifier: Verifier
    encoder: Encoder
    indexes: Indexes
    vocabularies: Vocabularies
    reranker: Reranker | None
    reader: Reranker
    deployments: Deployments
    admission: Admission
    counts: Counts


KEPT_OPEN = frozenset({"data", "server", "retrieval", "cache", "limits", "ledger", "tracing"})
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
        stores = Stores(
            database=database,
            accounts=await opened(_fresh_accounts(config, database)),
            limits=await opened(open_limits(config, Queries(database))),
            ledger=await opened(_ledger_writer(config, database)),
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
        open_providers(config, clients) as providers,
        open_embedders(config, clients) as embedders,
        open_exchange(config, stores.deployments) as exchange,
    ):
        await prices.load()
        own = f"moorline/{stores.encoder.name}"
        named = catalogue(config)
        stores.counts.know([*embedders, own, *named.names()])
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
        router = Router(named, config.routing, fits, prices, stores.deployments, models)
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
        # From here on nothing fails: what outlives this gateway is not half configured.
        stores.deployments.configure(config.dispatch.breaker, usual_cost(prices))
        stores.deployments.share(exchange)
        gateway = Gateway(
            config=config,
            accounts=stores.accounts,
            accounting=Accounting(
                stores.limits,
                prices,
                stores.ledger,
                Queries(stores.database),
                counter(),
                stores.counts,
                named,
                beside=tuple(each.most for each in (leading, more) if each),
                strategies=config.strategies,
            ),
            screen=screen,
            known=known,
            encoder=stores.encoder,
            embeddings=EmbeddingModels(stores.encoder, embedders, screen, places),
            conversations=Conversations(stores.database, config.conversations, screen.redacted),
            experiments=experiments,
            router=router,
            following=leading,
            expanding=more,
            library=library,
            recaps=recapping,
            examples=examples,
            lookup=Lookup(library, stores.encoder, stores.reader, reading(config), screen, more),
            files=files,
            shelves=shelves,
            dispatcher=dispatcher,
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
            metrics=Metrics(
                stores.counts, stores.admission, stores.ledger, clients, stores.deployments
            ),
        )
        async with shelves.tended() if tended else nullcontext():
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
    async with open_clients(config) as clients, open_providers(config, clients) as providers:
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


async def learned(config: Config, encoder: Encoder) -> Learned:
    """The router's trained models, as far as a rule asks for what they say. Raises ConfigError."""
    wanted = asked(config.routing)
    predictor, enough = await _predictor(config, encoder) if "p_cheap" in wanted else (None, None)
    return Learned(
        predictor, enough, await _classifier(config, encoder) if "task" in wanted else None
    )


async def _predictor(
    config: Config, encoder: Encoder
) -> tuple[Predictor, Enough] | tuple[None, None]:
    """What says whether the cheap model will do, and whether that is sure enough."""
    from routing.complexity import PACKAGED, BadModel, Complexity  # numpy
    from routing.operating import StrongShare

    routing = config.routing
    try:
        model = await asyncio.to_thread(Complexity.load, routing.complexity or PACKAGED)
    except BadModel as error:
        raise ConfigError(f"`routing.complexity`: {error}") from error
    if not _reads(model.encoder, encoder, "`p_cheap`", "router"):
        return None, None
    if routing.strong_share is not None:
        return model, StrongShare(model.points, routing.strong_share).enough
    return model, model.points.keeping(routing.quality_floor).enough


async def _classifier(config: Config, encoder: Encoder) -> Classifier | None:
    """What tells what a request is for."""
    from routing.complexity import BadModel
    from routing.tasks import PACKAGED, Tasks  # numpy

    try:
        model = await asyncio.to_thread(Tasks.load, config.routing.task_model or PACKAGED)
    except BadModel as error:
        raise ConfigError(f"`routing.task_model`: {error}") from error
    return model if _reads(model.encoder, encoder, "`task`", "tasks") else None


def _reads(fitted_to: str, encoder: Encoder, signal: str, trained: str) -> bool:
    """Whether a model reads this encoder's vectors."""
    if fitted_to == encoder.name:
        return True
    log.warning(
        "No trained model tells %s, since it reads vectors of %r and the encoder is %r; questions "
        "are told apart by their words. `moorline train %s` makes another one.",
        signal,
        fitted_to,
        encoder.name,
        trained,
    )
    return False


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


def extractive(config: Config) -> set[str]:
    """The providers that answer by quoting."""
    named = config.all_providers.items()
    return {name for name, provider in named if isinstance(provider, ExtractiveProvider)}


NOT_SHAPING = {
    *("data", "server", "dispatch", "degrade", "stream", "ingestion", "cache", "conversations"),
    *("files", "limits", "ledger", "tracing", "metrics"),
}
"""Sections that change no answer that is kept. One that is new is taken to change them."""


def policy(config: Config, prompts: Prompts, examples: Examples | None = None) -> str:
    """A digest of everything that shapes an answer: with it a change of policy misses the cache."""
    shaping = config.model_dump_json(exclude=NOT_SHAPING)
    shown = examples.digest if examples else ""
    return hashlib.sha256(f"{FORMAT}{shaping}{prompts.digest}{shown}".encode()).hexdigest()


@asynccontextmanager
async def open_database(config: Config) -> AsyncIterator[Database]:
    """The ledger's database, its tables up to date."""
    database = await asyncio.to_thread(database_of, config.ledger, config.data)
    try:
        yield database
    finally:
        await asyncio.to_thread(database.close)


@asynccontextmanager
async def open_accounts(config: Config) -> AsyncIterator[Accounts]:
    """The keys as they are now."""
    async with open_database(config) as database:
        yield await asyncio.to_thread(Accounts, database, config.limits)


@asynccontextmanager
async def _fresh_accounts(config: Config, database: Database) -> AsyncIterator[Accounts]:
    accounts = await asyncio.to_thread(Accounts, database, config.limits)
    accounts.start()
    try:
        yield accounts
    finally:
        await asyncio.to_thread(accounts.close)


@asynccontextmanager
async def _ledger_writer(config: Config, database: Database) -> AsyncIterator[LedgerWriter]:
    sinks = await asyncio.to_thread(open_sinks, config.tracing)
    writer = LedgerWriter(
        database,
        retention=config.ledger,
        sinks=sinks,
        content=config.tracing.content == "redacted",
        redact=redacted,
    )
    writer.start()
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)


@asynccontextmanager
async def open_limits(config: Config, queries: Queries) -> AsyncIterator[Limits]:
    """Who counts rates and budgets."""
    limits = limits_of(config.limits, queries)
    try:
        yield limits
    finally:
        await limits.close()


@asynccontextmanager
async def open_encoder(config: Config, cores: int | None = None) -> AsyncIterator[Encoder]:
    """What embeds texts; on this machine by so many cores, or all of them."""
    encoder: Encoder
    match config.retrieval.encoder:
        case MiniLMEncoder() as chosen:
            from retrieval.encoders.minilm import MiniLM

            tokens = config.retrieval.compares_tokens
            encoder = MiniLM(chosen, config.data / "models", tokens, cores)
        case SentenceTransformersEncoder() as chosen:
            from retrieval.encoders.sentence_transformers import SentenceTransformers

            encoder = await asyncio.to_thread(SentenceTransformers, chosen)
        case HttpEncoder() as chosen:
            from retrieval.encoders.http import HttpVectors

            encoder = HttpVectors(chosen)
    try:
        yield encoder
    finally:
        await encoder.aclose()


@asynccontextmanager
async def open_indexes(config: Config, encoder: Encoder) -> AsyncIterator[Indexes]:
    """Where passages live."""
    indexes: Indexes
    match config.retrieval.index:
        case EmbeddedIndex():
            from retrieval.index.embedded import EmbeddedIndexes

            indexes = EmbeddedIndexes(config.data / "index", encoder.name, encoder.size)
        case QdrantIndex() as chosen:
            from retrieval.index.qdrant import QdrantIndexes

            indexes = QdrantIndexes(
                chosen.url, chosen.api_key, chosen.prefix, encoder.name, encoder.size
            )
    try:
        yield indexes
    finally:
        await indexes.aclose()


@asynccontextmanager
async def open_vocabularies() -> AsyncIterator[Vocabularies]:
    """The words of collections, by which misspelt ones are told."""
    from retrieval.spelling.vocabulary import Vocabularies

    vocabularies = Vocabularies()
    try:
        yield vocabularies
    finally:
        await vocabularies.aclose()


@asynccontextmanager
async def open_reranker(config: Config) -> AsyncIterator[Reranker | None]:
    """What reorders the best passages, if anything does."""
    reranker: Reranker | None
    match config.retrieval.reranker:
        case NoReranker():
            reranker = None
        case ReaderReranker() as chosen:
            from retrieval.rerankers.reader import Reader

            reranker = Reader(chosen)
            if config.grounding.mode != "off":  # otherwise the first to ask for documents waits
                await reranker.read("warm up", ["warm up"])
        case CrossEncoderReranker() as chosen:
            from retrieval.rerankers.cross_encoder import CrossEncoder

            reranker = await asyncio.to_thread(CrossEncoder, chosen)
        case HttpReranker() as chosen:
            from retrieval.rerankers.http import HttpReranker as Http

            reranker = Http(chosen)
    try:
        yield reranker
    finally:
        if reranker:
            await reranker.aclose()


@asynccontextmanager
async def open_reader(reranker: Reranker | None) -> AsyncIterator[Reranker]:
    """What orders clients' own texts: the configured reranker, or else the packaged reader, which
    is loaded when it is first asked."""
    if reranker:
        yield reranker
        return
    from retrieval.rerankers.reader import Reader

    reader = Reader(ReaderReranker())
    try:
        yield reader
    finally:
        await reader.aclose()


def reading(config: Config) -> str:
    """What the ledger calls it."""
    kind = config.retrieval.reranker.kind
    return "reader" if kind == "none" else kind


@asynccontextmanager
async def open_cache(config: Config) -> AsyncIterator[AnswerCache]:
    """Where answers are kept."""
    cache: AnswerCache
    match config.cache.store:
        case MemoryStore() as chosen:
            from cache.memory import MemoryCache

            cache = MemoryCache(config.cache, chosen)
        case RedisStore() as chosen:
            from cache.redis import RedisCache

            cache = RedisCache(config.cache, chosen)
    try:
        yield cache
    finally:
        await cache.aclose()


@asynccontextmanager
async def open_verifier(config: Config) -> AsyncIterator[Verifier]:
    """What says whether a similar question is the same one."""
    from cache.verification.verifier import TrainedVerifier

    verifier = TrainedVerifier(config.cache.semantic)
    try:
        yield verifier
    finally:
        await verifier.aclose()


@asynccontextmanager
async def open_exchange(config: Config, deployments: Deployments) -> AsyncIterator[Exchange]:
    """How this gateway's breakers hear of the others'."""
    exchange: Exchange
    match config.dispatch.breaker.store:
        case MemoryBreakers():
            from gateway.breakers.memory import MemoryExchange

            exchange = MemoryExchange(deployments.hear)
        case RedisBreakers() as chosen:
            from gateway.breakers.redis import RedisExchange

            exchange = RedisExchange(chosen, deployments.hear)
    try:
        yield exchange
    finally:
        await exchange.aclose()


@asynccontextmanager
async def open_clients(config: Config) -> AsyncIterator[dict[str, Client]]:
    """Who calls each provider that is called by our own client. Raises ConfigError."""
    clients: dict[str, Client] = {}
    try:
        for name, chosen in config.all_providers.items():
            if isinstance(chosen, OpenAICompatibleProvider | VllmProvider):
                clients[name] = await open_client(name, chosen)
        yield clients
    finally:
        for client in clients.values():
            await client.aclose()


async def open_client(name: str, chosen: OpenAICompatibleProvider | VllmProvider) -> Client:
    """A provider's own connections, proxy and certificates. Raises ConfigError."""
    tls = None
    files = chosen.ca_file, chosen.client_certificate, chosen.client_key
    if any(files):
        try:
            tls = await asyncio.to_thread(trust.context, *files)
        except OSError as error:
            raise ConfigError(f"`providers.{name}`: certificate or key: {error}.") from None
    always = Proxy.of(chosen.proxy.get_secret_value()) if chosen.proxy else None
    return Client(
        connections=chosen.max_connections,
        waiting=chosen.max_waiting,
        tls=tls,
        proxies=Proxies(always, environment=chosen.trust_env),
    )


@asynccontextmanager
async def open_providers(
    config: Config, clients: Mapping[str, Client]
) -> AsyncIterator[dict[str, Provider]]:
    """Every configured provider by name."""
    providers = {}
    try:
        for name, chosen in config.all_providers.items():
            providers[name] = await _provider(name, chosen, clients)
        yield providers
    finally:
        for provider in providers.values():
            await provider.aclose()


@asynccontextmanager
async def open_embedders(
    config: Config, clients: Mapping[str, Client]
) -> AsyncIterator[dict[str, Batches]]:
    """Every model that is configured to embed, by `provider/model`."""
    embedders: dict[str, Embedder] = {}
    models: dict[str, Batches] = {}
    try:
        for name, chosen in config.all_providers.items():
            if isinstance(chosen, SimulatedProvider | ExtractiveProvider) or not chosen.embeddings:
                continue
            embedders[name] = await _embedder(name, chosen, clients)
            for model in chosen.embeddings:
                models[f"{name}/{model.name}"] = Batches(embedders[name], model)
        yield models
    finally:
        for embedder in embedders.values():
            await embedder.aclose()


async def _embedder(
    name: str,
    chosen: OpenAICompatibleProvider | VllmProvider | LiteLlmProvider,
    clients: Mapping[str, Client],
) -> Embedder:
    if isinstance(chosen, LiteLlmProvider):
        from gateway.providers.litellm_embeddings import LiteLlmEmbeddings

        return await asyncio.to_thread(LiteLlmEmbeddings, chosen)
    from gateway.providers.embeddings import OpenAICompatibleEmbeddings

    return OpenAICompatibleEmbeddings(chosen, clients[name])


async def _provider(name: str, chosen: ProviderConfig, clients: Mapping[str, Client]) -> Provider:
    match chosen:
        case OpenAICompatibleProvider():
            from gateway.providers.openai_compatible import OpenAICompatible

            return OpenAICompatible(chosen, clients[name], name)
        case VllmProvider():
            from gateway.providers.vllm import Vllm

            return Vllm(chosen, clients[name], name)
        case LiteLlmProvider():
            from gateway.providers.litellm import LiteLLM

            return await asyncio.to_thread(LiteLLM, chosen)
        case SimulatedProvider():
            from gateway.providers.simulated import Simulated

            return Simulated(chosen)
        case ExtractiveProvider():
            from gateway.providers.extractive import Extractive
            from retrieval.answerable import answerability
            from retrieval.support.lexicon import lexicon

            # A tenth of a second that the first question should not wait for.
            await asyncio.gather(asyncio.to_thread(answerability), asyncio.to_thread(lexicon))
            return Extractive(chosen)
