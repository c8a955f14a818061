"""OpenAPI for the raw endpoints, described as if FastAPI served them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from gateway.api.chat import ChatRequest
from gateway.api.completions.request import CompletionsRequest
from gateway.api.embeddings import EmbeddingsRequest
from gateway.api.lorax.request import GenerateRequest
from gateway.api.messages.request import Countable, MessagesRequest
from gateway.api.rerank import RerankRequest
from gateway.api.responses.request import ResponsesRequest
from gateway.api.vector_stores.search import PATH as SEARCH
from gateway.api.vector_stores.shapes import Search


@dataclass(frozen=True, slots=True)
class Described:
    """A raw endpoint: what it takes, and what it gives."""

    body: type[BaseModel]
    tag: str
    summary: str
    description: str
    answer: str


RAW = {
    "/v1/chat/completions": Described(
        ChatRequest,
        "openai",
        "Complete a chat, grounded in documents",
        "OpenAI's chat completions; `moorline` says how the answer is grounded.",
        "A completion, or with `stream` its chunks as server-sent events.",
    ),
    "/v1/completions": Described(
        CompletionsRequest,
        "openai",
        "Complete prompts, grounded in documents",
        "OpenAI's older completions, answered by chat models; `moorline` says how an answer is "
        "grounded.",
        "A completion, or with `stream` its chunks as server-sent events.",
    ),
    "/v1/responses": Described(
        ResponsesRequest,
        "openai",
        "Respond, grounded in documents",
        "OpenAI's Responses API for any model; `moorline` says how the answer is grounded. Tools "
        "are functions that the client calls.",
        "A response, or with `stream` its events as server-sent events.",
    ),
    **dict.fromkeys(
        ("/lorax/", "/lorax/generate", "/lorax/generate_stream"),
        Described(
            GenerateRequest,
            "lorax",
            "Generate as LoRAX does",
            "`adapter_id` is a registered adapter; without one, `auto` answers. The prompt is "
            "asked as a chat. What is not done here is refused by name.",
            "The text with its details: in a list at `/lorax/`, as server-sent events where it "
            "is streamed.",
        ),
    ),
    "/v1/embeddings": Described(
        EmbeddingsRequest,
        "openai",
        "Embed texts",
        "By the built-in encoder, or by any model that a provider is configured to embed with.",
        "Vectors in the order of the inputs.",
    ),
    "/v1/messages": Described(
        MessagesRequest,
        "anthropic",
        "Answer a message, grounded in documents",
        "Anthropic's Messages API for any model; `moorline` says how the answer is grounded. The "
        "key may come as `x-api-key`.",
        "A message, or with `stream` its events as server-sent events.",
    ),
    "/v1/messages/count_tokens": Described(
        Countable,
        "anthropic",
        "Count the tokens of a message's input",
        "Counted here: no model is asked and nothing is charged.",
        "`input_tokens`.",
    ),
    SEARCH: Described(
        Search,
        "openai",
        "Search a vector store",
        "Or any collection that the key may read, by its name. No answer is made of the passages.",
        "Passages with their scores, best first.",
    ),
    "/v1/rerank": Described(
        RerankRequest,
        "rerank",
        "Order texts by a question",
        "In the shape of Cohere's and Jina's clients; also at /v2/rerank.",
        "Scores from 0 to 1, best first.",
    ),
}


def documented(app: FastAPI) -> dict[str, Any]:
    """The whole schema, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path, described in RAW.items():
            _add(schema, path, described)
        app.openapi_schema = schema
    return app.openapi_schema


def _add(schema: dict[str, Any], path: str, described: Described) -> None:
    name = described.body.__name__
    body = described.body.model_json_schema(ref_template="#/components/schemas/{model}")
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components |= body.pop("$defs", {})
    components[name] = body
    takes = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    schema["paths"].setdefault(path, {})["post"] = {
        "tags": [described.tag],
        "summary": described.summary,
        "description": described.description,
        "requestBody": {"required": True, "content": {"application/json": takes}},
        "responses": {
            "200": {"description": described.answer},
            "4XX": {"description": f"{described.tag.capitalize()}'s error shape."},
        },
    }
