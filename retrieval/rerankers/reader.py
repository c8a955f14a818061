"""The packaged reader: a small cross-encoder that says how much a text bears on a question, and
which stretch of it answers.

Each text is read alone: on a CPU a batch is no faster (padding costs what sharing gains), and as
integers a text's reading would depend on its neighbours. Several threads read several texts.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.config import ReaderReranker
from retrieval.rerankers.pairs import LONGEST, Pair, paired, sides
from retrieval.rerankers.spans import best_spans
from retrieval.types import Reading, RetrievalError

if TYPE_CHECKING:  # a gateway that never reranks does not load them
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

PACKAGED = Path(__file__).parent / "packaged"
GRAPH, VOCABULARY, FITTED = "reader.onnx", "tokenizer.json", "reader.json"


class Reader:
    """Construction reads nothing; the first use opens it, in a thread."""

    def __init__(self, config: ReaderReranker) -> None:
        self._folder = config.folder or PACKAGED
        self._weight = config.fused_weight
        self._opening = threading.Lock()
        self._opened: tuple[Tokenizer, onnxruntime.InferenceSession] | None = None
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="reader")

    @property
    def fused_weight(self) -> float:
        """As configured, or as it was fitted with the weights."""
        if self._weight is None:
            self._weight = fitted_weight(self._folder)
        return self._weight

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        if not texts:
            return []
        loop = asyncio.get_running_loop()
        pairs = await loop.run_in_executor(self._threads, self._paired, question, list(texts))
        # The longest first, so that no thread is left alone with it at the end.
        order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place].tokens))
        readings = await asyncio.gather(
            *(
                loop.run_in_executor(self._threads, self._read, texts[place], pairs[place])
                for place in order
            )
        )
        found = dict(zip(order, readings, strict=True))
        return [found[place] for place in range(len(texts))]

    async def aclose(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _paired(self, question: str, texts: Sequence[str]) -> list[Pair]:
        tokenizer, _ = self._open()
        asked, *read = sides(tokenizer, [question, *texts], LONGEST)
        return [paired(asked, text, LONGEST) for text in read]

    def _read(self, text: str, pair: Pair) -> Reading:
        _, session = self._open()
        given = {
            "tokens": np.array([pair.tokens], dtype=np.int64),
            "parts": np.array([pair.parts], dtype=np.int64),
        }
        relevance, starts, ends, none = session.run(None, given)
        inside = slice(pair.first, pair.first + len(pair.offsets))
        answers = best_spans(text, starts[inside], ends[inside], float(none[0]), pair.offsets)
        return Reading(float(relevance[0]), answers)

    def _open(self) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
        with self._opening:
            if self._opened is None:
                self._opened = opened(self._folder)
            return self._opened


def fitted_weight(folder: Path) -> float:
    """How much the fused score counts beside this reader's relevance."""
    try:
        return float(json.loads((folder / FITTED).read_text(encoding="utf-8"))["fused_weight"])
    except (OSError, ValueError, KeyError) as error:
        raise RetrievalError(
            f"There is no fused_weight in {folder / FITTED}; retrieval.reranker.fused_weight sets "
            "it."
        ) from error


def opened(folder: Path) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
    """The tokenizer and the graph of a reader's folder."""
    import onnxruntime
    from tokenizers import Tokenizer

    for name in (GRAPH, VOCABULARY):
        if not (folder / name).is_file():
            raise RetrievalError(f"There is no {name} in {folder} (retrieval.reranker.folder).")
    tokenizer = Tokenizer.from_file(str(folder / VOCABULARY))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a thread reads a text
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    graph = str(folder / GRAPH)
    return tokenizer, onnxruntime.InferenceSession(graph, options, providers=providers)
