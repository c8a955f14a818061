"""A model's own tokenizer, read from its folder: Hugging Face's `tokenizer.json`, or Mistral's
`tekken.json`. Nothing is downloaded, and nothing is read before it is asked for.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from context.vocabularies import SLICE, pieces

if TYPE_CHECKING:
    import tiktoken
    from tokenizers import Tokenizer

_NAMES = ("tokenizer.json", "tekken.json")
_TEKKEN = "tekken"

_reading = threading.Lock()


class BadTokenizer(Exception):
    """A file is not there, or is no tokenizer; the message names it."""


def found(path: Path) -> Path | None:
    """The tokenizer's file: the path itself, or what a folder has."""
    if path.is_file():
        return path
    return next((path / name for name in _NAMES if (path / name).is_file()), None)


def counting(file: Path) -> Callable[[str], int]:
    """What counts with a file, which is read at the first count. Raises BadTokenizer then."""
    return _tekken(file) if file.name.startswith(_TEKKEN) else _hugging_face(file)


def check(file: Path) -> None:
    """Read the file now (up to two seconds). Raises BadTokenizer."""
    counting(file)("")


def _hugging_face(file: Path) -> Callable[[str], int]:
    def count(text: str) -> int:
        whole = text.encode("utf-8", "replace").decode()  # no lone surrogates
        [encoded] = _tokenizer(file).encode_batch_fast([whole], add_special_tokens=False)
        return len(encoded)

    return count


def _tokenizer(file: Path) -> Tokenizer:
    with _reading:
        return _read_tokenizer(file)


@cache
def _read_tokenizer(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more particular
        raise BadTokenizer(f"{file} is no tokenizer that can be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _tekken(file: Path) -> Callable[[str], int]:
    def count(text: str) -> int:
        encode = _encoding(file).encode_ordinary
        return sum(len(encode(piece)) for piece in pieces(text, SLICE))

    return count


def _encoding(file: Path) -> tiktoken.Encoding:
    with _reading:
        return _read_encoding(file)


@cache
def _read_encoding(file: Path) -> tiktoken.Encoding:
    import tiktoken

    try:
        stored = orjson.loads(file.read_bytes())
        config = stored["config"]
        size = config["default_vocab_size"] - config["default_num_special_tokens"]
        ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in stored["vocab"][:size]}
        return tiktoken.Encoding(
            file.name, pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadTokenizer(f"{file} is no tokenizer that can be read: {error}") from error
