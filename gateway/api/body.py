"""A request's body: from bytes to JSON to a validated shape, or an error that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from gateway.errors import InvalidRequest
from gateway.findings import findings

Shape = TypeVar("Shape", bound=BaseModel)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises InvalidRequest."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return raw


def validated(shape: type[Shape], raw: Mapping[str, Any]) -> Shape:
    """Raises InvalidRequest."""
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        raise _invalid(error, raw) from None


def _invalid(error: ValidationError, raw: Mapping[str, Any]) -> InvalidRequest:
    """Pydantic's first finding in OpenAI's words: which field, and what is wrong with it."""
    first = findings(error, raw)[0]
    param = first.key or None
    return InvalidRequest(f"Invalid value for '{param}': {first.message}.", param=param)


def unsupported(param: str, why: str) -> InvalidRequest:
    """A field that is OpenAI's or Anthropic's, but not to be had here."""
    return InvalidRequest(f"'{param}' is not supported: {why}", param=param)
