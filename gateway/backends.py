"""Each backend as the configuration names it, open for as long as it is wanted.

The only module that names concrete backends. What blocks is opened in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cache.config import MemoryStore, RedisStore
from cache.types import AnswerCache
from cache.verification.types import Verifier
from gateway.accounts.keys import Accounts
from gateway.accounts.limits import Limits
from gateway.accounts.limits import open_limits as limits_of
from gateway.adapters.registry import Registry
from gateway.adapters.store import AdapterStore
from gateway.breakers.config import MemoryStore as MemoryBreakers
from gateway.breakers.config import RedisStore as RedisBreakers
from gateway.breakers.sharing import Exchange
from gateway.config import Config, ConfigError
from gateway.deployments import Deployments
from gateway.embedding.batches import Batches
from gateway.fleet.config import MemoryView, RedisView
from gateway.fleet.fleets import Fleets
from gateway.fleet.sharing import Exchange as FleetExchange
from gateway.fleet.types import Adapters
from gateway.ledger.database import Database
from gateway.ledger.database import open_database as database_of
from gateway.ledger.queries import Queries
from gateway.ledger.writer import LedgerWriter
from gateway.providers.base import Embedder, Provider
from gateway.providers.config import (
    ExtractiveProvider,
    LiteLlmProvider,
    OpenAICompatibleProvider,
    SimulatedProvider,
    TransformersProvider,
    VllmProvider,
)
from gateway.providers.wire import trust
from gateway.providers.wire.client import Client
from gateway.providers.wire.proxies import Proxies, Proxy
from gateway.routes import Classifier, Learned, Predictor
from gateway.tracing.sinks import open_sinks
from guardrails.pii import redacted
from retrieval.config import (
    CrossEncoderReranker,
    EmbeddedIndex,
    HttpEncoder,
    HttpReranker,
    MiniLMEncoder,
    NoReranker,
    QdrantIndex,
    ReaderReranker,
    SentenceTransformersEncoder,
)
from retrieval.types import Encoder, Indexes, Reranker
from routing.policy import Enough, asked

if TYPE_CHECKING:  # numpy: not for the import of the door
    from retrieval.spelling.vocabulary import Vocabularies

log = logging.getLogger("moorline")


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
async def open_fresh_accounts(config: Config, database: Database) -> AsyncIterator[Accounts]:
    accounts = await asyncio.to_thread(Accounts, database, config.limits)
    accounts.start()
    try:
        yield accounts
    finally:
        await asyncio.to_thread(accounts.close)


@asynccontextmanager
async def open_registry(database: Database) -> AsyncIterator[Registry]:
    """The adapters as they are now, and as they will be."""
    registry = await asyncio.to_thread(Registry, AdapterStore(database))
    registry.start()
    try:
        yield registry
    finally:
        await asyncio.to_thread(registry.close)


@asynccontextmanager
async def open_ledger_writer(config: Config, database: Database) -> AsyncIterator[LedgerWriter]:
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
async def open_verifier(config: Config) -> AsyncIterator[Verifier | None]:
    """What says whether a similar question is the same one, where that is asked."""
    if not config.cache.semantic.enabled:
        yield None
        return
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
async def open_fleets(config: Config, adapters: Adapters) -> AsyncIterator[Fleets]:
    """What is known of replicas, by this gateway and by the others."""
    exchange: FleetExchange
    fleets = Fleets(adapters)
    match config.fleet.view:
        case MemoryView():
            from gateway.fleet.memory import MemoryExchange

            exchange = MemoryExchange(fleets)
        case RedisView() as chosen:
            from gateway.fleet.redis import RedisExchange

            exchange = RedisExchange(chosen, fleets)
    fleets.share(exchange)
    try:
        yield fleets
    finally:
        await fleets.aclose()
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
    config: Config, clients: Mapping[str, Client], fleets: Fleets
) -> AsyncIterator[dict[str, Provider]]:
    """Every configured provider by name."""
    providers = {}
    try:
        for name in config.all_providers:
            providers[name] = await _provider(name, config, clients, fleets)
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
            if isinstance(chosen, TransformersProvider | SimulatedProvider | ExtractiveProvider):
                continue
            if not chosen.embeddings:
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


async def _provider(
    name: str, config: Config, clients: Mapping[str, Client], fleets: Fleets
) -> Provider:
    match chosen := config.all_providers[name]:
        case OpenAICompatibleProvider():
            from gateway.providers.openai_compatible import OpenAICompatible

            return OpenAICompatible(chosen, clients[name], name)
        case VllmProvider():
            from gateway.providers.vllm import Vllm

            if chosen.lora is None and len(chosen.addresses) == 1:
                return Vllm(chosen, clients[name], name)
            from gateway.fleet.provider import Fleet

            kept, adapters = fleets.of(name), fleets.adapters
            breaker = config.dispatch.breaker
            return Fleet(name, chosen, clients[name], kept, adapters, breaker)
        case LiteLlmProvider():
            from gateway.providers.litellm import LiteLLM

            return await asyncio.to_thread(LiteLLM, chosen)
        case TransformersProvider():
            shelf = config.adapters.kept_in(config.data)
            return await _transformers(name, chosen, shelf, fleets.adapters)
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


async def _transformers(
    name: str, chosen: TransformersProvider, shelf: Path, adapters: Adapters
) -> Provider:
    try:
        from gateway.providers.local.device import NoSuchDevice
        from gateway.providers.local.generation import CannotTalk
        from gateway.providers.local.provider import Transformers
    except ImportError as error:
        raise ConfigError(
            f'`providers.{name}`: {error}; `kind = "transformers"` needs the extra of that name.'
        ) from None
    try:
        return await asyncio.to_thread(Transformers, name, chosen, shelf, adapters)
    except (NoSuchDevice, CannotTalk, OSError, ValueError) as error:
        raise ConfigError(f"`providers.{name}`: {error}.") from None


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
