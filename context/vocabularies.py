"""tiktoken's vocabularies, with the files that litellm's wheel carries.

Nothing is loaded before the first count, nothing is ever downloaded, and litellm is not imported.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

O200K = "o200k_base"
CL100K = "cl100k_base"
_FILES = {  # named by the SHA-1 of the address that tiktoken would fetch
    O200K: "fb374d419588a4632f3f557e76b4b70aebbca790",
    CL100K: "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
_FOLDER_VARIABLE = "TIKTOKEN_CACHE_DIR"

SLICE = 20_000
"""Characters that are counted at once: a run of a million blanks is too much for tiktoken."""

# Between a letter or a digit and what is neither, nor a mark or an apostrophe, both vocabularies
# cut every text before they look for tokens: counts on both sides add up to the count of the whole.
_SEAM = re.compile(r"(?<=[^\W_])(?=[\s!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~、。，！？：；「」（）])")
_LOOKED_BACK = (256, 4_096)  # characters in which a seam is looked for first

_loading = threading.Lock()


class VocabularyMissing(Exception):
    """tiktoken's files are nowhere on this machine, and nothing may be downloaded."""


def tokens_in(text: str, vocabulary: str) -> int:
    """How many tokens a text has. Raises VocabularyMissing."""
    return sum(map(len, encoded(text, vocabulary)))


def encoded(text: str, vocabulary: str) -> Iterator[list[int]]:
    """The numbers of a text's tokens, a stretch at a time. Raises VocabularyMissing."""
    return map(loaded(vocabulary).encode_ordinary, pieces(text, SLICE))


def written_out(vocabulary: str) -> Iterator[str | None]:
    """Each token's text, by its number; None for one that is none by itself, or no token. Raises
    VocabularyMissing."""
    encoding = loaded(vocabulary)
    for number in range(encoding.n_vocab):
        try:
            yield encoding.decode_single_token_bytes(number).decode()
        except (KeyError, UnicodeDecodeError):
            yield None


def pieces(text: str, longest: int) -> Iterator[str]:
    """The text in pieces that have as many tokens as the whole.

    Only where no word ends for `longest` characters a cut may add a token."""
    at = 0
    while len(text) - at > longest:
        end = _seam(text, at, at + longest)
        yield text[at:end]
        at = end
    yield text[at:]


def _seam(text: str, begin: int, end: int) -> int:
    """The last seam of a stretch, or its end."""
    for back in (*_LOOKED_BACK, end - begin - 1):
        found = list(_SEAM.finditer(text, max(begin + 1, end - back), end))
        if found:
            return found[-1].start()
    return end


def loaded(vocabulary: str) -> tiktoken.Encoding:
    """The vocabulary, loaded where it is not yet (0.2 s). Raises VocabularyMissing."""
    with _loading:
        return _loaded(vocabulary)


@cache
def _loaded(vocabulary: str) -> tiktoken.Encoding:
    folder = os.environ.get(_FOLDER_VARIABLE) or str(_bundled())
    if not (Path(folder) / _FILES[vocabulary]).is_file():
        raise VocabularyMissing(
            f"There is no {vocabulary} vocabulary in {folder}. Set {_FOLDER_VARIABLE} to a folder "
            f"that has tiktoken's file {_FILES[vocabulary]}, or install litellm, which carries it."
        )
    os.environ[_FOLDER_VARIABLE] = folder
    import tiktoken

    encoding = tiktoken.get_encoding(vocabulary)
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
