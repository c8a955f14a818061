"""The providers' section of the configuration: who completes chats, and with which models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import DirectoryPath, Field, FilePath, SecretStr, field_validator, model_validator

from context.tokenizer_files import found
from gateway.embedding.config import EmbeddingModel
from gateway.fleet.config import AdaptedConfig, LoraConfig, ServeConfig
from gateway.providers.capabilities import Capability, Prefill
from gateway.providers.services import SERVICES, OutputLimit
from gateway.providers.wire.client import BadEndpoint, Endpoint
from gateway.providers.wire.proxies import BadProxy, Proxy
from retrieval.config import Section


class SpecialPrices(Section):
    """USD for what has a price of its own: for a million tokens, or for one of its kind."""

    reasoning: float | None = Field(default=None, ge=0, description="Tokens thought, not said.")
    cache_write: float | None = Field(
        default=None, ge=0, description="Prompt tokens written to the provider's cache."
    )
    cache_write_1h: float | None = Field(
        default=None, ge=0, description="The same, to be kept for an hour."
    )
    cached_audio: float | None = Field(
        default=None, ge=0, description="Audio tokens read from the provider's cache."
    )
    audio_input: float | None = Field(default=None, ge=0, description="Audio in the prompt.")
    audio_output: float | None = Field(default=None, ge=0, description="Audio in the answer.")
    image_input: float | None = Field(default=None, ge=0, description="Image tokens, prompt.")
    image_output: float | None = Field(default=None, ge=0, description="Image tokens, answer.")
    image: float | None = Field(
        default=None, ge=0, description="One image in the prompt, where they are counted."
    )
    search: float | None = Field(default=None, ge=0, description="One search of the web.")
    request: float | None = Field(default=None, ge=0, description="One request.")


class ModelConfig(Section):
    """A model as its provider calls it. Prices that are not given come from the price list."""

    name: str = Field(min_length=1, description="The name that is sent to the provider.")
    listed_as: str | None = Field(
        default=None,
        description="What the price list calls it, where that is not to be seen from the name: "
        "azure/gpt-4o for a deployment.",
    )
    window: int = Field(default=32_768, ge=512, description="Tokens that prompt and answer share.")
    tokenizer: FilePath | DirectoryPath | None = Field(
        default=None,
        description="Its `tokenizer.json` or `tekken.json`, or the folder that has it: prompts are "
        "counted by it. Found where `name` is such a folder; else OpenAI's models are counted by "
        "tiktoken, and others estimated.",
    )
    max_output: int = Field(
        default=4096, ge=1, description="Tokens of the window kept free for the answer."
    )
    quality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How good its answers are, by your own judgement: for `auto:best` and weights.",
    )
    latency: float | None = Field(
        default=None,
        gt=0,
        description="Seconds until it answers, for `auto:fast` until that has been measured.",
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="What the provider allows; this gateway sends no more."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="The same for tokens, prompt and answer together."
    )
    max_parallel: int | None = Field(
        default=None, ge=1, description="Requests that it serves at once."
    )
    input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of a million prompt tokens."
    )
    cached_input_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price where the provider read them from its cache."
    )
    output_usd_per_million: float | None = Field(
        default=None, ge=0, description="Price of a million completion tokens."
    )
    prices: SpecialPrices = Field(
        default=SpecialPrices(), description="Prices of what few answers have."
    )
    has: tuple[Capability, ...] = Field(
        default=(), description="What it can although the price list does not say so."
    )
    lacks: tuple[Capability, ...] = Field(
        default=(),
        description="What it cannot: a request that needs it goes to another model, and is refused "
        "with 400 where there is none; what is a mere wish is left out for a fallback.",
    )
    system_prompt: str = Field(
        default="", description="An instruction put in front of every prompt for this model."
    )
    rename: dict[str, str] = Field(
        default={}, description="Parameters that it calls otherwise: OpenAI's name = its own."
    )
    plain_schemas: bool = Field(
        default=False,
        description="Give it schemas of tools and answers without `strict`, references and the "
        "keywords that simple servers refuse.",
    )
    prefill: Prefill | None = Field(
        default=None,
        description="How it goes on with an answer that another model began: "
        "continue_final_message (vLLM), prefix (a mark on the last message), assistant (the last "
        "message alone), or instruction. Chosen by the provider's kind when empty.",
    )

    @field_validator("tokenizer")
    @classmethod
    def _can_count(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        if (file := found(path)) is None:
            raise ValueError(f"{path} has neither tokenizer.json nor tekken.json")
        return file


class _Placed(Section):
    """What every provider has."""

    region: str = Field(
        default="",
        description="Where it runs; what has to be answered in a region is asked nowhere else.",
    )


class _Remote(_Placed):
    """What every provider over a network has."""

    models: tuple[ModelConfig, ...] = Field(default=(), description="What completes chats.")
    embeddings: tuple[EmbeddingModel, ...] = Field(default=(), description="What embeds texts.")
    first_byte_timeout: float = Field(
        default=60, gt=0, description="Seconds until a stream begins; plain calls have only total."
    )
    idle_timeout: float = Field(
        default=60, gt=0, description="Longest silence inside an answer, in seconds."
    )
    total_timeout: float = Field(
        default=600, gt=0, description="Longest duration of an answer, in seconds."
    )

    @model_validator(mode="after")
    def _serves_something(self) -> Self:
        if not (self.models or self.embeddings):
            raise ValueError("it serves nothing: list its `models`, or its `embeddings`")
        return self


class _Http(_Remote):
    """What every provider that speaks OpenAI's API has."""

    base_url: str | tuple[str, ...] = Field(
        min_length=1,
        description="Base URL that ends in /v1 or its like; a list of them for replicas that "
        "serve the same.",
    )
    api_key: SecretStr | None = Field(
        default=None, description='Sent as a bearer token; a secret, as "env:NAME".'
    )
    headers: dict[str, SecretStr] = Field(
        default={}, description='Further headers of every call; values may be "env:NAME".'
    )
    connect_timeout: float = Field(
        default=5, gt=0, description="Seconds to connect, or to wait for a free connection."
    )
    max_connections: int = Field(
        default=512, ge=1, description="Open connections; more calls wait `connect_timeout`."
    )
    max_waiting: int = Field(
        default=512,
        ge=0,
        description="Calls that may wait for a connection; another one goes to the next model.",
    )
    proxy: SecretStr | None = Field(
        default=None,
        description="`http://user:password@host:port` of a proxy on the way to it; "
        'may be "env:NAME".',
    )
    trust_env: bool = Field(
        default=True,
        description="Without `proxy`, take the environment's HTTPS_PROXY, HTTP_PROXY, ALL_PROXY "
        "and NO_PROXY; never on the way to this machine.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Certificates (PEM) that are trusted instead of the machine's.",
    )
    client_certificate: FilePath | None = Field(
        default=None, description="Certificate (PEM) that we present, with its key or without."
    )
    client_key: FilePath | None = Field(
        default=None, description="Key (PEM, no passphrase) of `client_certificate`."
    )
    stream_usage: bool = Field(
        default=True,
        description="Ask for token counts in streams; switch off if it refuses `stream_options`.",
    )
    output_limit: OutputLimit | None = Field(
        default=None,
        description="What it calls the bound on an answer's tokens, if it knows one name only: "
        "the other is renamed.",
    )

    @field_validator("base_url")
    @classmethod
    def _can_be_called(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        urls = tuple(_called(url) for url in _listed(given))
        if len(set(urls)) < len(urls):
            raise ValueError("an address is listed twice")
        return urls[0] if isinstance(given, str) else urls

    @property
    def addresses(self) -> tuple[str, ...]:
        """All base URLs, of one server or of replicas."""
        return _listed(self.base_url)

    @field_validator("proxy")
    @classmethod
    def _can_be_asked(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy:
            try:
                Proxy.of(proxy.get_secret_value())
            except BadProxy as error:
                raise ValueError(str(error)) from None
        return proxy

    @model_validator(mode="after")
    def _a_key_has_a_certificate(self) -> Self:
        if self.client_key and not self.client_certificate:
            raise ValueError("`client_key` is set without `client_certificate`")
        return self


def _listed(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


def _called(url: str) -> str:
    try:
        Endpoint.of("POST", url)
    except BadEndpoint as error:
        raise ValueError(str(error)) from None
    return url.rstrip("/")


class OpenAICompatibleProvider(_Http):
    """Any server that speaks OpenAI's chat completions, over our own client."""

    kind: Literal["openai-compatible"]
    base_url: str = Field(
        description="Base URL that ends in /v1 or its like; may be left out with `service`."
    )
    service: str | None = Field(
        default=None,
        description="A known service or server, such as groq or ollama, from which come what of "
        "`base_url`, `api_key` (its usual environment variable), `stream_usage` and "
        "`output_limit` is left out, and the prices.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_a_known_service(cls, given: Any) -> Any:
        if not isinstance(given, dict) or (name := given.get("service")) is None:
            return given
        service = SERVICES.get(name)
        if service is None:
            raise ValueError(f"no such `service`; known are {', '.join(SERVICES)}")
        known: dict[str, Any] = {
            "base_url": service.base_url,
            "stream_usage": service.stream_usage,
            "output_limit": service.output_limit,
        }
        if key := os.environ.get(service.key):  # one that is empty was forgotten
            known["api_key"] = key
        elif service.key and not {"api_key", "base_url"} & given.keys():
            raise ValueError(f"neither `api_key` nor the variable {service.key} is set")
        return known | given


class _Adapted(Section):
    """What every provider has whose models adapters may change."""

    models: tuple[ModelConfig, ...] = Field(default=(), description="What completes chats.")
    lora: AdaptedConfig | None = Field(
        default=None, description="Adapters that are loaded while it runs."
    )

    @model_validator(mode="after")
    def _what_adapters_change_is_served(self) -> Self:
        served = [each.name for each in self.models]
        if self.lora and not served:
            raise ValueError("`lora` is set, and there is no model that adapters would change")
        if self.lora and self.lora.base not in (None, *served):
            raise ValueError(f"`lora.base` is none of its `models`: {', '.join(served)}")
        return self

    @property
    def base(self) -> ModelConfig | None:
        """The model that adapters change, where any are loaded."""
        if self.lora is None:
            return None
        wanted = self.lora.base
        return next(each for each in self.models if wanted in (None, each.name))


class VllmProvider(_Http, _Adapted):
    """A vLLM server by URL, or several that serve the same. LoRA adapters that it was started with
    are models: list them by name. With `lora` it loads those that are registered, too."""

    kind: Literal["vllm"]
    lora: LoraConfig | None = Field(
        default=None, description="Adapters that are loaded while it runs."
    )
    serve: ServeConfig = Field(
        default=ServeConfig(), description="How `moorline vllm command` starts it."
    )

    @model_validator(mode="after")
    def _embeddings_have_one_address(self) -> Self:
        if self.embeddings and len(self.addresses) > 1:
            raise ValueError("`embeddings` are asked of one `base_url`")
        return self


class LiteLlmProvider(_Remote):
    """Every other cloud, through litellm. A model's name is litellm's: `anthropic/claude-…`."""

    kind: Literal["litellm"]
    api_key: SecretStr | None = Field(default=None, description='A secret, as "env:NAME".')
    api_base: str | None = Field(default=None, description="Where it is not the cloud's own.")
    options: dict[str, SecretStr] = Field(
        default={},
        description='Further arguments of litellm, such as aws_region_name; may be "env:NAME".',
    )
    pass_fields: tuple[str, ...] = Field(
        default=(),
        description="Fields of a request, beyond OpenAI's, that are handed to litellm: top_k … "
        "Never one that names an address or a key.",
    )


OnDevice: TypeAlias = Literal["auto", "cuda", "mps", "cpu"]
Precision: TypeAlias = Literal["auto", "float32", "float16", "bfloat16"]


class TransformersProvider(_Placed, _Adapted):
    """Models in this process, by the library transformers (extra `transformers`), on a GPU where
    there is one. One answer at a time: for trying out, not for many."""

    kind: Literal["transformers"]
    models: tuple[ModelConfig, ...] = Field(
        min_length=1, description="Their names are folders, or the hub's."
    )
    device: OnDevice = Field(
        default="auto", description="Where they run; `auto` is cuda, else mps, else cpu."
    )
    precision: Precision = Field(
        default="auto",
        description="Of their weights; `auto` is half on a GPU, float32 on a processor.",
    )
    max_waiting: int = Field(
        default=32, ge=0, description="Requests that wait for their turn; others are refused."
    )
    total_timeout: float = Field(
        default=600, gt=0, description="Longest duration of an answer, in seconds."
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it runs: here."""
        return ("this process",)


class SimulatedProvider(_Placed):
    """Deterministic answers from this process, slow or faulty as wished: tests and benchmarks."""

    kind: Literal["simulated"]
    models: tuple[ModelConfig, ...] = Field(
        default=(ModelConfig(name="simulated"),), min_length=1, description="What it serves."
    )
    answer: Literal["words", "echo"] = Field(
        default="words", description="Words drawn by the prompt, or the question again."
    )
    words: int = Field(default=60, ge=0, description="Length of an answer of words.")
    cite: bool = Field(default=False, description="End with [1] where the prompt has sources.")
    chunk_words: int = Field(default=1, ge=1, description="Words in one chunk of a stream.")
    first_token_ms: float = Field(default=0, ge=0, description="Wait before the first token.")
    chunk_ms: float = Field(default=0, ge=0, description="Wait before each further chunk.")
    fault: Literal["none", "error", "cut", "stall"] = Field(
        default="none",
        description="Refuse with `fault_status`, break off after `fault_after` chunks, or say "
        "nothing more after them.",
    )
    fault_status: int = Field(default=500, ge=400, le=599, description="Of the fault `error`.")
    fault_after: int = Field(default=3, ge=0, description="Chunks before a cut or a stall.")
    fault_share: float = Field(
        default=1.0, ge=0, le=1, description="Share of calls that fail, evenly spread."
    )


class ExtractiveProvider(_Placed):
    """Answers by quoting the sources that the prompt carries; needs no model and no network."""

    kind: Literal["extractive"]
    models: tuple[ModelConfig, ...] = Field(
        default=(
            ModelConfig(name="extractive", input_usd_per_million=0, output_usd_per_million=0),
        ),
        min_length=1,
        description="The name that it answers to.",
    )


ProviderConfig = Annotated[
    OpenAICompatibleProvider
    | VllmProvider
    | LiteLlmProvider
    | TransformersProvider
    | SimulatedProvider
    | ExtractiveProvider,
    Field(discriminator="kind"),
]


AdaptedProvider: TypeAlias = VllmProvider | TransformersProvider
"""Whose models adapters may change while they run."""


def priced(provider: ProviderConfig) -> tuple[ModelConfig, ...]:
    """All that a provider charges for; what embeds as models whose answers are free."""
    embedding = provider.embeddings if isinstance(provider, _Remote) else ()
    return (
        *provider.models,
        *(
            ModelConfig(
                name=each.name,
                listed_as=each.listed_as,
                input_usd_per_million=each.input_usd_per_million,
            )
            for each in embedding
        ),
    )
