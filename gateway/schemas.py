"""JSON Schemas from callers, held against what models wrote; neither is trusted.

A schema cannot make the gateway fetch anything, and neither it nor a value can keep it busy: a
check has its time. jsonschema is imported with the first schema, which belongs in a thread.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from math import inf
from time import thread_time
from typing import Any

LONGEST_MESSAGE = 300  # characters
LONGEST = 256 * 2**10  # characters of a schema
PATIENCE = 0.25  # seconds of work for one check
PATTERN_TIME = 0.05  # seconds
# With these a small schema can be much work.
_DEEP = ('"$ref"', '"$dynamicRef"', '"$recursiveRef"', '"pattern"')

# What jsonschema raises where a keyword's value is of a kind that it did not expect.
_ODD = (AttributeError, TypeError, ValueError)
_BY_NAME = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})


class BadSchema(Exception):
    """It is no JSON Schema, or one that we do not follow; the message says why."""


class TooMuch(Exception):
    """Checking takes too long."""


class Schema:
    """A schema that values can be held against."""

    def __init__(self, schema: Any) -> None:
        """Raises BadSchema."""
        if not isinstance(schema, Mapping):
            raise BadSchema("it is not an object")
        written = _written(schema)
        self.weight = inf if any(word in written for word in _DEEP) else float(len(written))
        """How much work it is for each character of a value, at worst; to compare."""
        jsonschema: Any = import_module("jsonschema")
        self._referencing: Any = import_module("referencing")
        self._best_match = jsonschema.exceptions.best_match
        self._unknown_type = jsonschema.exceptions.UnknownType
        try:
            base = jsonschema.validators.validator_for(
                schema, default=jsonschema.validators.Draft202012Validator
            )
        except _ODD:
            raise BadSchema("its $schema is none") from None
        try:
            base.check_schema(schema)
        except jsonschema.exceptions.SchemaError as error:
            raise BadSchema(_told(error)) from None
        except RecursionError:
            raise BadSchema("it is nested too deep") from None
        self._check_references(schema, base)
        self._check = threading.local()  # what one thread checks just now
        kind = jsonschema.validators.extend(base, self._keywords(base))
        # Its own registry: the usual one fetches what it does not know.
        self._validator = kind(_checkable(schema), registry=self._referencing.Registry())

    def why_not(self, value: Any) -> str | None:
        """What is wrong with a value; None where nothing is, or it cannot be told in time."""
        self._check.until = thread_time() + PATIENCE
        try:
            error = self._best_match(self._validator.iter_errors(value))
        except (TooMuch, RecursionError, self._referencing.exceptions.Unresolvable):
            return None
        except (*_ODD, self._unknown_type):
            return None  # older drafts let pass what their own checks stumble over
        return _told(error) if error else None

    def _check_references(self, schema: Mapping[str, Any], base: Any) -> None:
        specification = self._referencing.jsonschema.specification_with(
            base.META_SCHEMA.get("$schema", "")
        )
        resource = specification.create_resource(schema)
        resolver = self._referencing.Registry().with_resource("", resource).resolver()
        for reference in _references(schema):
            if not reference.startswith("#"):
                raise BadSchema(f"$ref '{reference[:80]}' leads out of it")
            try:
                resolver.lookup(reference)
            except self._referencing.exceptions.Unresolvable:
                raise BadSchema(f"$ref '{reference[:80]}' leads nowhere") from None

    def _keywords(self, base: Any) -> dict[str, Any]:
        """The keywords, each of which looks at the time before it begins."""
        bounded = {"pattern": _Pattern(), "uniqueItems": _unique}
        return {name: self._timed(check) for name, check in (base.VALIDATORS | bounded).items()}

    def _timed(self, check: Any) -> Any:
        def timed(validator: Any, told: Any, instance: Any, schema: Any) -> Iterator[Any]:
            if thread_time() > self._check.until:
                raise TooMuch
            yield from check(validator, told, instance, schema) or ()

        return timed


def _written(schema: Mapping[str, Any]) -> str:
    try:
        written = json.dumps(schema)
    except RecursionError:
        raise BadSchema("it is nested too deep") from None
    if len(written) > LONGEST:
        raise BadSchema(f"it has more than {LONGEST} characters")
    return written


class _Pattern:
    """The keyword `pattern`. Python's own engine cannot be stopped; this one can."""

    def __init__(self) -> None:
        self._regex: Any = import_module("regex")
        self._error = import_module("jsonschema").ValidationError

    def __call__(self, validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, str):
            return
        try:
            found = self._regex.search(pattern, instance, timeout=PATTERN_TIME, concurrent=True)
        except (TimeoutError, self._regex.error):
            return
        if not found:
            yield self._error(f"{instance!r} does not match {pattern!r}")


def _unique(validator: Any, told: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """The keyword `uniqueItems`, whose usual form compares each with each."""
    if told and validator.is_type(instance, "array"):
        written = {json.dumps(_plain(each), sort_keys=True) for each in instance}
        if len(written) < len(instance):
            error = import_module("jsonschema").ValidationError
            yield error(f"{instance!r} has non-unique elements")


def _plain(value: Any) -> Any:
    """Numbers that are equal written alike: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _checkable(schema: Any, by_name: bool = False) -> Any:
    """The schema without `patternProperties`, whose patterns would run in Python's engine, and
    without what depends on them."""
    if isinstance(schema, list):
        return [_checkable(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    dropped = set()
    if not by_name and "patternProperties" in schema:
        dropped = {"patternProperties", "additionalProperties", "unevaluatedProperties"}
    return {
        key: value
        if key in ("enum", "const") and not by_name
        else _checkable(value, not by_name and key in _BY_NAME)
        for key, value in schema.items()
        if key not in dropped
    }


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            elif key not in ("enum", "const"):
                yield from _references(value)


def _told(error: Any) -> str:
    """A finding in one line: where, and what."""
    message = f"{error.json_path}: {error.message}"
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
