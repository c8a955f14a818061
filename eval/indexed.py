"""A data set's documents in an index, on the way that a user's documents take.

Splitting, terms, encoding and writing are the product's own; only the reading of files is not
needed here.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from retrieval.chunking.chosen import chunker
from retrieval.config import RetrievalConfig
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.sparse import document_vector, passage_terms
from retrieval.types import Document, Embedded, Encoder, Index, Passage, TokenEncoder

_GROUP = 256


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index with all documents in it, and what it took."""

    index: Index
    passages: Sequence[Passage]
    seconds: float


@asynccontextmanager
async def indexed(
    documents: Sequence[Document],
    encoder: Encoder,
    config: RetrievalConfig,
    progress: Callable[[int], None] = lambda done: None,
) -> AsyncIterator[Indexed]:
    """A temporary embedded index; gone when left."""
    with tempfile.TemporaryDirectory(prefix="moorline-eval-") as folder:
        indexes = EmbeddedIndexes(Path(folder), encoder.name, encoder.size)
        try:
            index = await indexes.open("eval", create=True)
            assert index is not None  # It was just created.
            started = time.perf_counter()
            passages = await filled(documents, index, encoder, config, progress)
            yield Indexed(index, passages, time.perf_counter() - started)
        finally:
            await indexes.aclose()


async def filled(
    documents: Sequence[Document],
    index: Index,
    encoder: Encoder,
    config: RetrievalConfig,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Passage]:
    """Bring documents into an index; their passages."""
    passages: list[Passage] = []
    for start in range(0, len(documents), _GROUP):
        group = documents[start : start + _GROUP]
        passages += await _written(group, index, encoder, config)
        progress(start + len(group))
    return passages


async def _written(
    group: Sequence[Document], index: Index, encoder: Encoder, config: RetrievalConfig
) -> list[Passage]:
    split = chunker(config, encoder).split
    split_up = await asyncio.to_thread(
        lambda: {document.source: split(document) for document in group}
    )
    passages = [passage for part in split_up.values() for passage in part]
    words = [passage_terms(passage) for passage in passages]
    average = await index.average_length()
    if average is None:
        average = max(1.0, sum(map(len, words)) / max(1, len(words)))
        await index.fix_average_length(average)
    texts = [passage.embedded for passage in passages]
    if config.token_vectors and isinstance(encoder, TokenEncoder):
        vectors, tokens = await encoder.passages_and_tokens(texts)
    else:
        vectors, tokens = await encoder.passages(texts), []
    sparse = [document_vector(each, average) for each in words]
    embedded, start = [], 0
    for document in group:
        end = start + len(split_up[document.source])
        if end > start:
            embedded.append(
                Embedded(
                    document.source, document.version, passages[start:end], vectors[start:end],
                    sparse[start:end], tokens=tokens[start:end],
                )
            )  # fmt: skip
        start = end
    await index.write(embedded)
    return passages
