"""The whole configuration: one file, `moorline.toml`, one frozen type, read once, handed down.

No file is a valid configuration: everything embedded, one built-in model. An unknown key is an
error that names it. A secret is written as `"env:NAME"` and is never printed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from cache.config import CacheConfig
from context.config import ContextConfig
from gateway.accounts.config import LimitsConfig
from gateway.adapters.config import AdaptersConfig
from gateway.breakers.config import SharedBreakerConfig
from gateway.conversations.config import ConversationsConfig
from gateway.degrade.config import DegradeConfig
from gateway.filing.config import FilesConfig
from gateway.findings import findings
from gateway.fleet.config import FleetConfig
from gateway.ledger.config import LedgerConfig, SqliteLedger
from gateway.metrics.config import MetricsConfig
from gateway.providers.config import ExtractiveProvider, ProviderConfig
from gateway.strategies.config import StrategiesConfig
from gateway.tracing.config import TracingConfig
from gateway.types import Grounding
from guardrails.config import GuardrailsConfig
from retrieval.config import RetrievalConfig, Section
from retrieval.ingestion.config import IngestionConfig
from routing.config import HedgeConfig, ModelAlias, RetryConfig, RoutingConfig, Task
from routing.experiments.config import Experiment, Name

DEFAULT_FILE = Path("moorline.toml")


class ConfigError(Exception):
    """The configuration cannot be used; the message names the file, the key and the remedy."""


class ServerConfig(Section):
    """Where the gateway listens and what it lets in."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; anything beyond loopback needs a key to exist.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on.")
    max_body_bytes: int = Field(
        default=10 * 2**20, ge=1024, description="A larger request is refused with 413."
    )
    max_head_bytes: int = Field(
        default=64 * 2**10, ge=1024, description="URL and headers; more is refused with 431."
    )
    max_headers: int = Field(
        default=128, ge=8, description="Headers of a request; more are refused with 431."
    )
    max_url_bytes: int = Field(
        default=8192, ge=256, description="A longer URL is refused with 414."
    )
    max_messages: int = Field(
        default=2048, ge=1, description="Messages of a chat; more are refused with 400."
    )
    max_depth: int = Field(
        default=128,
        ge=8,
        le=250,  # orjson writes no deeper than 254, and what comes in is to be sent on
        description="Lists and objects inside each other in a body.",
    )
    max_connections: int = Field(
        default=8192, ge=1, description="Open connections; another one is told 429 and closed."
    )
    max_in_flight: int = Field(
        default=1024, ge=1, description="Requests that are answered at once; others wait."
    )
    max_waiting: int = Field(
        default=1024, ge=0, description="Requests that may wait; another one is refused with 429."
    )
    max_wait: float = Field(
        default=10, gt=0, description="Seconds after which who waits is refused with 429."
    )
    head_timeout: float = Field(
        default=15, gt=0, description="Seconds in which the headers must have come, else 408."
    )
    body_timeout: float = Field(
        default=60, gt=0, description="Seconds in which the body must have come, else 408."
    )
    request_timeout: float = Field(
        default=600, gt=0, description="Longest life of a request, in seconds."
    )


class StreamConfig(Section):
    """Answers that are told while they are written."""

    on_cut: Literal["error", "continue"] = Field(
        default="error",
        description="When a model breaks off inside its answer: end with an error event, or go on "
        "with the next model of the plan, which is shown what was said.",
    )


class StructuredConfig(Section):
    """Answers whose form the request sets by `response_format`."""

    check: bool = Field(
        default=True, description="Hold such answers against their schema, and mend them by rule."
    )
    ask_again: bool = Field(
        default=True, description="Ask once more, with what is wrong, before a 502."
    )
    stream: Literal["pass", "hold"] = Field(
        default="pass",
        description="Streamed answers: told as they come, with an error at the end where they are "
        "wrong, or held back until they are right.",
    )


class FollowUpModel(Section):
    """A model makes questions stand-alone that come after others; the rules do it where that
    fails or takes too long. Costs a call of the model, which counts as the key's."""

    model: str = Field(min_length=1, description="Who does it: an alias or `provider/model`.")
    time_ms: float = Field(
        default=1500, gt=0, description="Longest that it may take, in milliseconds."
    )


class GroundingConfig(Section):
    """How answers are tied to documents where a request does not say."""

    mode: Grounding = Field(default="strict", description="strict, open or off.")
    collection: str | None = Field(
        default="default",
        description="Searched where neither request nor key names one; while it does not exist, "
        "such requests are not grounded.",
    )
    follow_ups: Literal["rules", "off"] | FollowUpModel = Field(
        default="rules",
        description="`rules`: a question that leans on earlier ones (`and in France?`) is made "
        "stand-alone before it is searched; the answering model reads it as it was asked. `off`: "
        "it is searched as it stands. A table: a model does it.",
    )


class DispatchConfig(RetryConfig):
    """How hard a model is tried before the next one."""

    breaker: SharedBreakerConfig = Field(
        default=SharedBreakerConfig(), description="When a deployment is left alone for a while."
    )
    hedge: HedgeConfig = Field(default=HedgeConfig(), description="When a second one is asked.")


class Config(Section):
    """All of it."""

    data: Path = Field(default=Path(".moorline"), description="Folder of everything that is kept.")
    server: ServerConfig = Field(default=ServerConfig(), description="Address and limits.")
    grounding: GroundingConfig = Field(default=GroundingConfig(), description="Defaults.")
    providers: dict[str, ProviderConfig] = Field(
        default={}, description="Who completes chats, by a name of your own."
    )
    fleet: FleetConfig = Field(
        default=FleetConfig(), description="Replicas of vLLM and their adapters."
    )
    adapters: AdaptersConfig = Field(
        default=AdaptersConfig(), description="LoRA adapters that are added while it runs."
    )
    models: dict[str, ModelAlias] = Field(default={}, description="Aliases for models.")
    routing: RoutingConfig = Field(default=RoutingConfig(), description="What `auto` means.")
    experiments: dict[Name, Experiment] = Field(
        default={}, description="Variants that callers are drawn for, by a name of your own."
    )
    stream: StreamConfig = Field(
        default=StreamConfig(), description="What happens when a stream is cut."
    )
    structured: StructuredConfig = Field(
        default=StructuredConfig(), description="Answers in a form that the request sets."
    )
    strategies: StrategiesConfig = Field(
        default=StrategiesConfig(), description="Answers that take several calls."
    )
    dispatch: DispatchConfig = Field(default=DispatchConfig(), description="Retries.")
    degrade: DegradeConfig = Field(
        default=DegradeConfig(), description="What is said when no model answers."
    )
    retrieval: RetrievalConfig = Field(default=RetrievalConfig(), description="Search.")
    ingestion: IngestionConfig = Field(
        default=IngestionConfig(), description="What reads and embeds documents."
    )
    context: ContextConfig = Field(default=ContextConfig(), description="The prompt's budget.")
    cache: CacheConfig = Field(default=CacheConfig(), description="Answers given before.")
    conversations: ConversationsConfig = Field(
        default=ConversationsConfig(), description="Responses that may be continued."
    )
    files: FilesConfig = Field(default=FilesConfig(), description="What clients may upload.")
    guardrails: GuardrailsConfig = Field(default=GuardrailsConfig(), description="Checks.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="Rates and budgets.")
    ledger: LedgerConfig = Field(default=SqliteLedger(), description="Requests and costs.")
    tracing: TracingConfig = Field(default=TracingConfig(), description="Where traces go.")
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="For Prometheus.")

    @model_validator(mode="after")
    def _shares_are_of_tasks(self) -> Config:
        if unknown := self.context.tasks.keys() - set(get_args(Task)):
            known = ", ".join(get_args(Task))
            raise ValueError(f"context.tasks.{min(unknown)}: no such task; known are {known}")
        return self

    @model_validator(mode="after")
    def _aliases_come_to_an_end(self) -> Config:
        for name in self.models:
            if name in self._meant_by(name):
                raise ValueError(f"models.{name} leads back to itself")
        return self

    def _meant_by(self, name: str) -> set[str]:
        """Every alias that another one leads to."""
        found: set[str] = set()
        ahead = [name]
        while ahead:
            alias = self.models.get(ahead.pop())
            names = (*(d.to for d in alias.deployments), *alias.fallbacks) if alias else ()
            ahead += [each for each in names if each not in found]
            found.update(names)
        return found

    @property
    def all_providers(self) -> dict[str, ProviderConfig]:
        """The configured ones, and the built-in `extractive`, which is always there."""
        if any(isinstance(each, ExtractiveProvider) for each in self.providers.values()):
            return dict(self.providers)
        return {**self.providers, "extractive": ExtractiveProvider(kind="extractive")}


def load(path: Path | None = None, only: Collection[str] | None = None) -> Config:
    """Read a configuration file; without one, `moorline.toml` where it exists, else defaults.

    Relative paths in it are relative to the working folder. With `only` some sections are read, so
    that a command which needs no provider needs no provider's key. Raises ConfigError.
    """
    file = _found(path)
    return Config() if file is None else parse(_text(file), str(file), only)


def written(path: Path | None, *keys: str) -> dict[str, Any]:
    """A section as the file has it: a secret is still a reference. Raises ConfigError."""
    file = _found(path)
    section = {} if file is None else _raw(_text(file), str(file))
    for key in keys:
        section = section.get(key, {})
    return section


def _found(path: Path | None) -> Path | None:
    return path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 ({error.reason}).") from error


def parse(text: str, name: str = "moorline.toml", only: Collection[str] | None = None) -> Config:
    """A configuration from TOML text; `name` is what errors call it, `only` see `load`."""
    raw = _raw(text, name)
    if only is not None:
        raw = {key: value for key, value in raw.items() if key in only}
    return resolved(raw, name)


def _raw(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not TOML: {error}") from error


def resolved(raw: dict[str, Any], name: str) -> Config:
    """The configuration of sections as they are written, with this machine's secrets.

    Raises ConfigError."""
    try:
        return Config.model_validate(_resolved(raw, ()))
    except ValidationError as error:
        raise ConfigError(f"{name}: " + "; ".join(_readable(error, raw))) from None
    except _MissingSecret as error:
        raise ConfigError(f"{name}: {error}") from None


class _MissingSecret(Exception):
    pass


def _resolved(value: Any, path: tuple[str, ...]) -> Any:
    """Replace every "env:NAME" by what the environment holds."""
    match value:
        case dict():
            return {key: _resolved(each, (*path, key)) for key, each in value.items()}
        case list():
            return [_resolved(each, (*path, str(i))) for i, each in enumerate(value)]
        case str() if value.startswith("env:"):
            variable = value.removeprefix("env:")
            if variable not in os.environ:
                raise _MissingSecret(
                    f"`{'.'.join(path)}` refers to the environment variable {variable}, "
                    "which is not set."
                )
            return os.environ[variable]
    return value


def _readable(error: ValidationError, raw: Any) -> list[str]:
    """Pydantic's findings without the values, which may be secrets."""
    lines = []
    for each in findings(error, raw):
        what = "no such key" if each.kind == "extra_forbidden" else each.message
        lines.append(f"`{each.key}`: {what}" if each.key else what)
    return lines
