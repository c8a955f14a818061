"""The body of POST /v1/completions, and the chats that it asks for: one for each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, unsupported, validated
from gateway.api.chat import StreamOptions
from gateway.api.moorline import MoorlineOptions, with_options
from gateway.errors import InvalidRequest
from gateway.types import Ask

MOST_CHOICES = 128  # of one request, as with a chat's `n`
KNOWN = frozenset({
    "model", "prompt", "stream", "stream_options", "moorline", "n", "best_of", "echo", "suffix",
    "logprobs", "adapter_id",
})  # fmt: skip


class CompletionsRequest(BaseModel):
    """The body of POST /v1/completions; every other field of OpenAI's is passed on."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(default="auto", min_length=1, description="Alias, model, or auto.")
    adapter_id: str | None = Field(default=None, description="An adapter of that model.")
    prompt: str | list[str] | list[int] | list[list[int]] = Field(
        description="A text, or several, each of which is answered for itself."
    )
    stream: bool | None = Field(default=False, strict=True)
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1, le=MOST_CHOICES, strict=True)
    best_of: int | None = Field(default=None, ge=1, strict=True)
    echo: bool | None = Field(default=False, strict=True, description="Begin with the prompt.")
    suffix: str | None = Field(default=None, description="Refused: chat models fill no gaps.")
    logprobs: int | None = Field(default=None, ge=0, le=5, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, strict=True)
    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    moorline: MoorlineOptions | None = None


@dataclass(frozen=True, slots=True)
class Prompts:
    """A request: the same question to the pipeline for each prompt."""

    asks: tuple[Ask, ...]
    echo: bool

    @property
    def stream(self) -> bool:
        return self.asks[0].stream

    @property
    def each(self) -> int:
        """Choices of one prompt."""
        return self.asks[0].n

    def prompt_of(self, choice: int) -> str:
        """What a choice goes on from."""
        return self.asks[choice // self.each].question


def read_prompts(body: bytes) -> Prompts:
    """A request from its bytes. Raises InvalidRequest that names the field."""
    raw = json_object(body)
    request = validated(CompletionsRequest, raw)
    texts = _texts(request)
    n = request.n or 1
    if len(texts) * n > MOST_CHOICES:
        raise InvalidRequest(f"More than {MOST_CHOICES} choices at once.", param="prompt")
    if request.suffix:
        raise unsupported("suffix", "chat models answer, and fill no gaps.")
    if request.best_of and request.best_of != n:
        raise unsupported("best_of", "as many choices are given as are made; set 'n'.")
    if request.echo and request.logprobs is not None:
        raise unsupported("logprobs", "chat models do not tell those of a prompt ('echo').")
    params = {key: value for key, value in raw.items() if key not in KNOWN and value is not None}
    if request.logprobs is not None:
        params |= {"logprobs": True, "top_logprobs": request.logprobs}
    asks = (_ask(request, text, params, n) for text in texts)
    return Prompts(tuple(asks), bool(request.echo))


def _texts(request: CompletionsRequest) -> list[str]:
    given = request.prompt
    texts = [given] if isinstance(given, str) else [each for each in given if isinstance(each, str)]
    if not texts and given:
        raise unsupported("prompt", "tokens mean something to one model only; send text.")
    if not texts or not all(texts):
        raise InvalidRequest("A prompt is empty.", param="prompt")
    return texts


def _ask(request: CompletionsRequest, text: str, params: dict[str, Any], n: int) -> Ask:
    options = request.stream_options
    ask = Ask(
        model=request.model,
        messages=({"role": "user", "content": text},),
        question=text,
        params=params,
        stream=bool(request.stream),
        include_usage=bool(options and options.include_usage),
        n=n,
        adapter=request.adapter_id or "",
        door="completions",
    )
    return with_options(ask, request.moorline)
