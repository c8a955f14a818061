"""The packaged pair model: does the answer to one question answer the other? A number, no verdict.

What five of MiniLM's layers, cut narrow, have become over both questions. Its words are the
encoder's own, read from the file that the encoder is made of, so that they are installed once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cache.verification.pairs import Read, read
from retrieval.encoders.minilm import model_folder

if TYPE_CHECKING:  # a gateway without a semantic cache does not load them
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

GRAPH = "pairs.onnx"
_WORDS = "embeddings.word_embeddings.weight"
_MOST_CHARACTERS = 4000


class PairModel:
    """Construction reads nothing; the first use opens it."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._graph = folder / GRAPH
        self._threads = threads
        self._opening = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: tuple[onnxruntime.InferenceSession, NDArray[np.float32]] | None = None

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Of each text, without those that every text has."""
        tokenizer = self._open_tokenizer()
        # One by one: a batch of two waits longer for its threads than both of them take.
        return [
            tokenizer.encode(text[:_MOST_CHARACTERS], add_special_tokens=False).ids
            for text in texts
        ]

    def read(self, asked: str, known: str) -> Read:
        one, other = self.tokens([asked, known])
        return read(one, other)

    def opinion(self, pair: Read) -> float:
        """In log-odds."""
        session, words = self._open()
        given: dict[str, NDArray[Any]] = {
            "words": words[np.asarray(pair.tokens)][None],
            "parts": np.array([pair.parts], dtype=np.int64),
            "rarity": np.array([pair.rarity], dtype=np.float32),
        }
        (same,) = session.run(None, given)
        return float(same[0])

    def _open_tokenizer(self) -> Tokenizer:
        with self._opening:
            if self._tokenizer is None:
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._tokenizer = tokenizer
            return self._tokenizer

    def _open(self) -> tuple[onnxruntime.InferenceSession, NDArray[np.float32]]:
        with self._opening:
            if self._session is None:
                self._session = _session(self._graph, self._threads), _words()
            return self._session


def _session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning doubles the processor time of one question, and on a busy machine takes seconds.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def _words() -> NDArray[np.float32]:
    """The encoder's words as they lie in its file, not read before they are needed."""
    path = model_folder() / "model.safetensors"
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[_WORDS]
    return np.memmap(
        path, dtype=np.float32, mode="r", offset=8 + length + entry["data_offsets"][0],
        shape=tuple(entry["shape"]),
    )  # fmt: skip
