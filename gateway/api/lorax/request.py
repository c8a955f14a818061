"""The body of LoRAX's generate, and the chat that it asks for.

What LoRAX takes and the gateway does not do is refused by name, and so is what neither knows. An
adapter is looked up in the registry and nowhere else: `adapter_source` is accepted and of no
effect, and a token for a hub is refused, since it would go nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, unsupported, validated
from gateway.api.moorline import MoorlineOptions, with_options
from gateway.errors import InvalidRequest, Unprocessable
from gateway.types import Ask
from routing.catalogue import AUTO

NOT_HERE = {
    "merged_adapters": "adapters are not merged on request; merge them (PEFT's "
    "add_weighted_adapter) and register the result.",
    "api_token": "where adapters come from, and with whose token, is the registry's to know; send "
    "none here.",
    "typical_p": "no engine behind this samples by it; use top_p.",
    "truncate": "a prompt is answered whole or refused; shorten it.",
    "watermark": "no engine behind this marks its answers.",
    "decoder_input_details": "a prompt's own tokens are not told.",
}


class ResponseFormat(BaseModel):
    """The form that an answer must have."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text", "json_object", "json_schema"]
    spec: dict[str, Any] | None = Field(default=None, alias="schema")


class Parameters(BaseModel):
    """How LoRAX is told to generate."""

    model_config = ConfigDict(extra="forbid")

    adapter_id: str | None = Field(default=None, description="A registered adapter.")
    adapter_source: Literal["hub", "local", "s3", "pbase"] | None = Field(
        default=None, description="Without effect: the registry knows where adapters come from."
    )
    merged_adapters: Any = Field(default=None, description="Refused.")
    api_token: Any = Field(default=None, description="Refused.")
    best_of: int | None = Field(default=None, description="1, or refused.")
    temperature: float | None = Field(default=None, gt=0, le=2)
    repetition_penalty: float | None = Field(default=None, gt=0)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    top_k: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    typical_p: Any = Field(default=None, description="Refused.")
    do_sample: bool = Field(
        default=False, description="Without it, and without a field that samples, it is greedy."
    )
    max_new_tokens: int | None = Field(default=None, gt=0)
    ignore_eos_token: bool = False
    return_full_text: bool | None = Field(default=None, description="Begin with the prompt.")
    stop: list[str] = []
    truncate: Any = Field(default=None, description="Refused.")
    watermark: bool = Field(default=False, description="Refused where it is set.")
    details: bool = False
    decoder_input_details: bool = Field(default=False, description="Refused where it is set.")
    return_k_alternatives: int | None = Field(default=None, ge=0, le=20)
    apply_chat_template: bool = Field(
        default=False, description="Without effect: a prompt is always asked as a chat."
    )
    seed: int | None = Field(default=None, ge=0)
    response_format: ResponseFormat | None = None


class GenerateRequest(BaseModel):
    """The body of POST /lorax/, /lorax/generate and /lorax/generate_stream."""

    model_config = ConfigDict(extra="forbid")

    inputs: str = Field(min_length=1, description="The prompt.")
    parameters: Parameters | None = None
    stream: bool | None = Field(default=False, strict=True, description="At POST /lorax/ alone.")
    moorline: MoorlineOptions | None = None


@dataclass(frozen=True, slots=True)
class Generate:
    """A request: what is asked of the pipeline, and how the answer is told."""

    ask: Ask
    details: bool
    full_text: bool
    seed: int | None

    @property
    def stream(self) -> bool:
        return self.ask.stream

    @property
    def begins(self) -> str:
        """What the answer's text begins with."""
        return self.ask.question if self.full_text else ""


def read_generate(body: bytes, streams: bool | None) -> Generate:
    """A request from its bytes; `streams` where the path says whether it does. Raises Unprocessable
    that names the field."""
    try:
        request = validated(GenerateRequest, json_object(body))
        wanted = request.parameters or Parameters()
        stream = bool(request.stream) if streams is None else streams
        _refuse(wanted, stream)
    except InvalidRequest as error:
        raise Unprocessable(error.message, param=error.param) from None
    ask = Ask(
        model=AUTO,
        adapter=wanted.adapter_id or "",
        messages=({"role": "user", "content": request.inputs},),
        question=request.inputs,
        params=_params(wanted),
        stream=stream,
        door="lorax",
    )
    return Generate(
        ask=with_options(ask, request.moorline),
        details=wanted.details,
        full_text=bool(wanted.return_full_text),
        seed=wanted.seed,
    )


def _refuse(wanted: Parameters, stream: bool) -> None:
    for name, why in NOT_HERE.items():
        if getattr(wanted, name) not in (None, False):
            raise unsupported(f"parameters.{name}", why)
    if wanted.best_of not in (None, 1):
        raise unsupported("parameters.best_of", "one answer is made; choose among several calls.")
    if wanted.return_k_alternatives and stream:
        # A guard may hold words back that their alternatives would tell.
        raise unsupported("parameters.return_k_alternatives", "a stream tells none.")


def _params(wanted: Parameters) -> dict[str, Any]:
    """The fields of a chat that mean the same; those that are LoRAX's defaults are said, too."""
    same = {
        "top_k": wanted.top_k,
        "top_p": wanted.top_p,
        "repetition_penalty": wanted.repetition_penalty,
        "frequency_penalty": wanted.frequency_penalty,
        "presence_penalty": wanted.presence_penalty,
        "max_tokens": wanted.max_new_tokens,
        "seed": wanted.seed,
        "stop": wanted.stop or None,
        "ignore_eos": wanted.ignore_eos_token or None,
        "temperature": _temperature(wanted),
        "response_format": _form(wanted.response_format),
    }
    if wanted.return_k_alternatives:
        same |= {"logprobs": True, "top_logprobs": wanted.return_k_alternatives}
    return {name: value for name, value in same.items() if value is not None}


def _temperature(wanted: Parameters) -> float:
    """LoRAX is greedy unless something says that it samples."""
    if wanted.temperature is not None:
        return wanted.temperature
    samples = wanted.do_sample or wanted.top_k is not None or wanted.top_p is not None
    return 1.0 if samples else 0.0


def _form(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.spec is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted.spec}}
