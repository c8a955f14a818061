"""Patterns in an adapter's configuration: which rank a module has by them, in PEFT's reading.

They come from strangers, and engines match them without a limit: one that goes back and forth
holds an engine up for good. So all are tried here, on all modules, in a bounded time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import regex

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.validation.settings import Settings

_Value = TypeVar("_Value")
_PLAIN = re.compile(r"[A-Za-z0-9_.\-]+")
_LONGEST = 512
_MOST = 64  # expressions; an ordinary configuration has none
_SECONDS = 0.5  # for all of them on all modules; a good one takes a millionth on one


@dataclass(slots=True)
class Allowance:
    """How long an adapter's expressions may take altogether."""

    left: float = _SECONDS

    def matches(self, expression: regex.Pattern[str], module: str) -> bool:
        """Whether it is found at the beginning. Raises BadAdapter where it takes too long."""
        started = time.monotonic()
        try:
            return expression.match(module, timeout=max(self.left, 1e-3)) is not None
        except TimeoutError as error:
            raise _bad(f"{shown(expression.pattern)} takes too long to match") from error
        finally:
            self.left -= time.monotonic() - started


def valued(
    default: _Value, pattern: Mapping[str, _Value], allowance: Allowance
) -> Callable[[str], _Value]:
    """A function from a module's path to its value, which raises BadAdapter, too.

    A pattern is an expression that the end of the path matches, from a dot on; the first one that
    does counts."""
    if not pattern:
        return lambda module: default
    # A pattern that is a plain path needs no matching: EVA and AdaLoRA write one for each module.
    order = {key: place for place, key in enumerate(pattern)}
    plain = {key for key in pattern if _PLAIN.fullmatch(key)}
    expressions = _compiled([key for key in pattern if key not in plain], r"(?:.*\.)?(?:{})$")
    values = list(pattern.values())

    def of(module: str) -> _Value:
        module = _parameter(module)
        first = min((order[end] for end in _ends(module) if end in plain), default=len(values))
        for key, expression in expressions.items():
            if order[key] < first and allowance.matches(expression, module):
                first = order[key]
        return values[first] if first < len(values) else default

    return of


def refuse_endless(settings: Settings, modules: Iterable[str], allowance: Allowance) -> None:
    """Try what else engines and PEFT match with modules. Raises BadAdapter."""
    whole = [each for each in (settings.target_modules, settings.exclude_modules) if each]
    layers = settings.layers_pattern or []
    expressions = [
        *_compiled([each for each in whole if isinstance(each, str)], "(?:{})$").values(),
        *_compiled([layers] if isinstance(layers, str) else layers, r".*\.{}\.(\d+)\.").values(),
    ]
    alpha_of = valued(settings.lora_alpha, settings.alpha_pattern or {}, allowance)
    if expressions or settings.alpha_pattern:
        for module in modules:
            alpha_of(module)
            for expression in expressions:
                allowance.matches(expression, module)


def _parameter(module: str) -> str:
    """What patterns call an expert's matrices that are saved beside the module that holds them."""
    if module.endswith(".experts.base_layer"):
        return module.removesuffix("base_layer") + "gate_up_proj"
    return f"{module}.down_proj" if module.endswith(".experts") else module


def _ends(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[start:]) for start in range(len(parts)))


def _compiled(keys: list[str], around: str) -> dict[str, regex.Pattern[str]]:
    if len(keys) > _MOST:
        raise _bad(f"{len(keys)} of them, the limit is {_MOST}")
    return {key: _expression(key, around) for key in keys}


def _expression(key: str, around: str) -> regex.Pattern[str]:
    if len(key) > _LONGEST:
        raise _bad(f"one of {len(key):,} characters")
    try:
        return regex.compile(around.replace("{}", key))
    except (regex.error, RecursionError, OverflowError) as error:
        raise _bad(f"{shown(key)} is none") from error


def _bad(reason: str) -> BadAdapter:
    return BadAdapter("invalid", f"adapter_config.json: regular expressions: {reason}")
