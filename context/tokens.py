"""How many tokens a text has: tiktoken, with the vocabularies that litellm's wheel carries.

Nothing is loaded before the first count, nothing is ever downloaded, and litellm is not imported.
For a model whose vocabulary is not public the count is o200k's; the budget's margin is for that.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    import tiktoken

Counter: TypeAlias = Callable[[str], int]

DEFAULT_VOCABULARY = "o200k_base"
_OLDER_VOCABULARY = "cl100k_base"
_OLDER_MODELS = ("gpt-4-", "gpt-3.5", "text-embedding-")
_FILES = {  # named by the SHA-1 of the address that tiktoken would fetch
    DEFAULT_VOCABULARY: "fb374d419588a4632f3f557e76b4b70aebbca790",
    _OLDER_VOCABULARY: "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
_FOLDER_VARIABLE = "TIKTOKEN_CACHE_DIR"

_REMEMBERED = 4_096
_WORTH_REMEMBERING = 5_000  # characters: a passage or a system text, not a whole document
_SLICE = 5_000  # characters: tiktoken's time grows faster than a run without spaces

PER_MESSAGE = 4  # role and delimiters, as OpenAI's chat format counts them
PER_REPLY = 3  # the answer is primed with these
PER_IMAGE = 1_445  # the largest that one image costs in high detail
_PER_SMALL_IMAGE = 85

_loading = threading.Lock()


class VocabularyMissing(Exception):
    """tiktoken's files are nowhere on this machine, and nothing may be downloaded."""


def counter(model: str = "") -> Counter:
    """What counts tokens as `model` does. The first count loads the vocabulary (`warm`)."""
    return _counter(vocabulary(model))


def vocabulary(model: str) -> str:
    """The vocabulary of a model; o200k's for every model that tiktoken does not know."""
    name = model.rpartition("/")[2]
    return (
        _OLDER_VOCABULARY
        if name == "gpt-4" or name.startswith(_OLDER_MODELS)
        else (DEFAULT_VOCABULARY)
    )


def warm(model: str = "") -> None:
    """Load the vocabulary now (0.2 s): call it in a thread. Raises VocabularyMissing."""
    _encoding(vocabulary(model))


@cache
def _counter(name: str) -> Counter:
    remembered = lru_cache(maxsize=_REMEMBERED)(lambda text: _count(name, text))

    def count(text: str) -> int:
        return remembered(text) if len(text) <= _WORTH_REMEMBERING else _count(name, text)

    return count


def _count(name: str, text: str) -> int:
    encode = _encoding(name).encode_ordinary
    if len(text) <= _SLICE:
        return len(encode(text))
    # Cutting inside a token can only add to the count, by one token a cut.
    return sum(len(encode(text[at : at + _SLICE])) for at in range(0, len(text), _SLICE))


def _encoding(name: str) -> tiktoken.Encoding:
    with _loading:
        return _loaded(name)


@cache
def _loaded(name: str) -> tiktoken.Encoding:
    folder = os.environ.get(_FOLDER_VARIABLE) or str(_bundled())
    if not (Path(folder) / _FILES[name]).is_file():
        raise VocabularyMissing(
            f"There is no {name} vocabulary in {folder}. Set {_FOLDER_VARIABLE} to a folder that "
            f"has tiktoken's file {_FILES[name]}, or install litellm, which carries it."
        )
    os.environ[_FOLDER_VARIABLE] = folder
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    encoding._mergeable_ranks = {}  # a second copy, which encoding never looks at: 30 MB
    return encoding


def _bundled() -> Path:
    """Where litellm keeps the files. Found without importing it: that takes two seconds."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise VocabularyMissing(
            f"litellm, which carries tiktoken's vocabularies, is not installed, and "
            f"{_FOLDER_VARIABLE} is not set."
        )
    return Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"


def message_tokens(message: Mapping[str, Any], count: Counter) -> int:
    """Tokens of one chat message, tool calls and images included."""
    total = PER_MESSAGE + _content_tokens(message.get("content"), count)
    for key in ("tool_calls", "function_call", "name", "refusal", "tool_call_id"):
        if value := message.get(key):
            total += count(value if isinstance(value, str) else orjson.dumps(value).decode())
    return total


def messages_tokens(messages: Sequence[Mapping[str, Any]], count: Counter) -> int:
    """Tokens of a conversation as a prompt."""
    return PER_REPLY + sum(message_tokens(each, count) for each in messages)


def most_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """More tokens than these messages can have, found without counting: a token is a byte or
    more, and what is no text counts as an image at most."""
    return messages_tokens(messages, lambda text: len(text.encode("utf-8", "surrogatepass")))


def _content_tokens(content: Any, count: Counter) -> int:
    if isinstance(content, str):
        return count(content)
    if not isinstance(content, list):
        return 0
    return sum(_part_tokens(part, count) for part in content)


def _part_tokens(part: Any, count: Counter) -> int:
    match part:
        case {"text": str(text)}:
            return count(text)
        case {"image_url": {"detail": "low"}}:
            return _PER_SMALL_IMAGE
    return PER_IMAGE
