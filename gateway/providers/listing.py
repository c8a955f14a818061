"""What litellm's list says of the configured models: prices, windows, what they can.

The list is data; litellm is never imported for it. It has thousands of models, of which only the
configured ones are parsed and kept. It knows nothing of what its keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from json import JSONDecoder
from pathlib import Path
from typing import Any, TypeAlias

from gateway.providers.config import (
    ExtractiveProvider,
    LiteLlmProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
    priced,
)
from gateway.providers.services import SERVICES

Entry: TypeAlias = Mapping[str, Any]

LIST = "model_prices_and_context_window_backup.json"
OWNER = "litellm_provider"  # every model's entry has it, and nothing inside an entry

# Bedrock's ways of calling a model, regions and profiles, which are no part of its name.
_ROUTE = re.compile(r"^(?:converse|invoke|converse_like)/")
_REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d/")
_PROFILE = re.compile(r"^(?:us|eu|apac|ap|jp|au|ca|us-gov|global)\.")


def bundled() -> Path | None:
    """The list inside the installed litellm, found without importing it."""
    spec = find_spec("litellm")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder) / LIST).is_file():
            return file
    return None


def listed(providers: Mapping[str, ProviderConfig], file: Path | None = None) -> dict[str, Entry]:
    """The entries of the configured models by `provider/model`, where the list has them.

    It blocks for some tens of milliseconds.
    """
    wanted = {
        f"{name}/{model.name}": tuple(names(provider, model))
        for name, provider in providers.items()
        for model in priced(provider)
    }
    every = {each for candidates in wanted.values() for each, _ in candidates}
    file = (file or bundled()) if every else None
    found = _entries(file, every) if file else {}
    picked = {}
    for model, candidates in wanted.items():
        if entry := _first(candidates, found):
            picked[model] = entry
    return picked


def names(provider: ProviderConfig, model: ModelConfig) -> Iterator[tuple[str, str]]:
    """What the list may call a model, the likeliest first, each with how the name of the entry's
    owner has to begin."""
    if model.listed_as:
        yield model.listed_as, ""
        return
    match provider:
        case SimulatedProvider() | ExtractiveProvider():
            return
        case OpenAICompatibleProvider(service=str(known)):
            prefix = SERVICES[known].listed
            yield prefix + model.name, ""
            if prefix:
                yield model.name, prefix.removesuffix("/")
        case LiteLlmProvider():
            region = provider.options.get("aws_region_name")
            yield from _of_litellm(model.name, region.get_secret_value() if region else "")
        case _:
            yield model.name, ""


def _of_litellm(name: str, region: str) -> Iterator[tuple[str, str]]:
    """litellm's names begin with the cloud's, which the list often leaves out."""
    yield name, ""
    cloud, _, rest = name.partition("/")
    if not rest:
        return
    if cloud == "bedrock":
        rest = _ROUTE.sub("", rest)
        bare = _REGION.sub("", rest)
        if region:
            yield f"bedrock/{region}/{bare}", cloud
        yield bare, cloud
        yield _PROFILE.sub("", bare), cloud
    else:
        yield rest, cloud


def _entries(file: Path, wanted: Iterable[str]) -> dict[str, Entry]:
    """The wanted entries. The rest is skipped as text: parsed, it takes time and room."""
    text, parse, wanted = file.read_text(encoding="utf-8"), JSONDecoder().raw_decode, set(wanted)
    found: dict[str, Entry] = {}
    for name, at in _objects(text):
        if name in wanted and name not in found:
            entry, _ = parse(text, at)
            if OWNER in entry:
                found[name] = entry
    return found


def _objects(text: str) -> Iterator[tuple[str, int]]:
    """The keys of JSON text whose values are objects, and where those begin."""
    at = text.find("{") + 1
    while (at := text.find("{", at)) >= 0:
        end = text.rfind('"', 0, at)
        if text[end + 1 : at].strip() == ":":
            yield text[text.rfind('"', 0, end) + 1 : end], at
        at += 1


def _first(candidates: Iterable[tuple[str, str]], found: Mapping[str, Entry]) -> Entry | None:
    for name, owner in candidates:
        entry = found.get(name)
        if entry and str(entry[OWNER]).startswith(owner):
            return entry
    return None
