"""Whether two names are one base model: an adapter's own word against the fleet's.

Mirrors and quantised copies have other names and the same weights, near enough; another tuning of
a model has the same shapes and other weights; another model has neither.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Likeness: TypeAlias = Literal["same", "copy", "tuning", "unknown", "other"]
_CACHED = re.compile(r"models--([^/]+?)--([^/]+)(?:/|$)")  # a folder of the Hugging Face cache
_QUANTISED = re.compile(
    r"[-_.](?:unsloth|bnb|\d+bits?|int[48]|fp8|fp16|bf16|awq|gptq|gguf|hf|dynamic|quantized|w\d+a\d+"
    r"|marlin|nf4|mlx|g\d+)(?=[-_.]|$)"
)
_TUNED = re.compile(r"[-_](?:instruct|chat|it|base|pt|sft|dpo)(?=[-_.]|$)")


def likeness(theirs: str, ours: str) -> Likeness:
    """How near the model that an adapter was trained on is to the one it is to be put beside."""
    first, second = _hub(theirs), _hub(ours)
    if not first or first.casefold() == second.casefold():
        return "same" if first else "unknown"
    plain, other = _plain(first), _plain(second)
    if plain == other:
        return "copy"
    if _TUNED.sub("", plain) == _TUNED.sub("", other):
        return "tuning"
    # A folder is named as whoever made it liked.
    return "unknown" if _path(first) or _path(second) else "other"


def _hub(name: str) -> str:
    """The name on the hub, where it can be told."""
    name = name.strip().rstrip("/")
    cached = _CACHED.search(name)
    return f"{cached[1]}/{cached[2]}" if cached else name


def _plain(name: str) -> str:
    """Without owner, and without what tells copies apart."""
    last = re.split(r"[/\\]", name)[-1].casefold()
    return _QUANTISED.sub("", last).removeprefix("meta-").replace("_", "-")


def _path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or name.count("/") != 1 or "\\" in name
