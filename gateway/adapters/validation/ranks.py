"""Which rank a module has by `r` and `rank_pattern`, in PEFT's reading of patterns.

A pattern is an expression that the end of a module's path matches, from a dot on; the first one
that does counts. They come from strangers, so they get little time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import regex

from gateway.adapters.failures import BadAdapter, shown

_PLAIN = re.compile(r"[A-Za-z0-9_.\-]+")
_LONGEST = 512
_MOST_EXPRESSIONS = 64
_SECONDS = 0.05  # for one expression on one module; a good one takes a millionth


def ranks(rank: int, pattern: Mapping[str, int]) -> Callable[[str], int]:
    """A function from a module's path to its rank, which raises BadAdapter, too."""
    if not pattern:
        return lambda module: rank
    # A pattern that is a plain path needs no matching: EVA and AdaLoRA write one for each module.
    order = {key: place for place, key in enumerate(pattern)}
    plain = {key for key in pattern if _PLAIN.fullmatch(key)}
    expressions = [(order[key], _compiled(key)) for key in pattern if key not in plain]
    if len(expressions) > _MOST_EXPRESSIONS:
        raise _bad(f"{len(expressions)} expressions, the limit is {_MOST_EXPRESSIONS}")
    values = list(pattern.values())

    def of(module: str) -> int:
        module = _parameter(module)
        places = [order[end] for end in _ends(module) if end in plain]
        first = min(places, default=len(values))
        for place, expression in expressions:
            if place < first and _matches(expression, module):
                first = place
        return values[first] if first < len(values) else rank

    return of


def _parameter(module: str) -> str:
    """What patterns call an expert's matrices that are saved beside the module that holds them."""
    if module.endswith(".experts.base_layer"):
        return module.removesuffix("base_layer") + "gate_up_proj"
    return f"{module}.down_proj" if module.endswith(".experts") else module


def _ends(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _compiled(key: str) -> regex.Pattern[str]:
    if len(key) > _LONGEST:
        raise _bad(f"an expression of {len(key):,} characters")
    try:
        return regex.compile(rf"(?:.*\.)?(?:{key})$")
    except (regex.error, RecursionError, OverflowError) as error:
        raise _bad(f"{shown(key)} is no regular expression") from error


def _matches(expression: regex.Pattern[str], module: str) -> bool:
    try:
        return expression.match(module, timeout=_SECONDS) is not None
    except TimeoutError as error:
        raise _bad(f"{shown(expression.pattern)} takes too long to match") from error


def _bad(reason: str) -> BadAdapter:
    return BadAdapter("invalid", f"adapter_config.json: rank_pattern: {reason}")
