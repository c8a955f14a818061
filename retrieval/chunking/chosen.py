"""The chunker that a collection's configuration asks for, and what tells its passages from others.

It knows the names of the ways to split, and none of how they do it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

from retrieval import token_vectors
from retrieval.chunking.fixed import Fixed
from retrieval.chunking.sections import Sections
from retrieval.chunking.semantic import Embed, Semantic
from retrieval.chunking.sentence_window import SentenceWindow
from retrieval.chunking.small_to_big import SmallToBig
from retrieval.config import (
    FixedChunker,
    RetrievalConfig,
    SectionChunker,
    SemanticChunker,
    SentenceWindowChunker,
    SmallToBigChunker,
)
from retrieval.types import Document, Encoder, Passage, Vectors

FORM = 3
"""Rises whenever parsers or chunkers come to make other passages of the same bytes, so that what
was stored before is made anew."""

_PATIENCE = 1.0  # seconds between two looks at whether anybody is left who could answer


class Chunker(Protocol):
    """Splits documents into passages that fit the encoder."""

    def split(self, document: Document) -> list[Passage]:
        """The passages in order. Blocks, so it is called in a thread, never in the loop's own."""
        ...


def chunker(config: RetrievalConfig, encoder: Encoder) -> Chunker:
    """What splits a collection with these settings (`RetrievalConfig.of`).

    Called within the loop that the encoder runs in: a chunker that embeds asks it from threads."""
    limit = min(config.passage_tokens, encoder.window)
    match config.chunker:
        case SectionChunker():
            return Sections(encoder.count, limit)
        case FixedChunker(overlap=overlap):
            return Fixed(encoder.count, limit, overlap)
        case SemanticChunker(percentile=percentile):
            return Semantic(encoder.count, limit, percentile, from_threads(encoder))
        case SmallToBigChunker(child_tokens=child, parent_tokens=parent):
            return SmallToBig(encoder.count, min(child, encoder.window), parent)
        case SentenceWindowChunker(window=window):
            return SentenceWindow(encoder.count, limit, window)


def recipe(config: RetrievalConfig, encoder: Encoder) -> str:
    """Differs whenever the same bytes would become other passages."""
    ingredients: dict[str, object] = {
        "form": FORM,
        "chunker": config.chunker.model_dump(mode="json"),
        "tokens": min(config.passage_tokens, encoder.window),
        "encoder": encoder.name,
    }
    if config.token_vectors:
        ingredients["token_vectors"] = token_vectors.FORM
    written = json.dumps(ingredients, sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def from_threads(encoder: Encoder) -> Embed:
    """The encoder as a function that blocks, for threads beside the loop that this is called in.

    Raises RetrievalError as the encoder does, and CancelledError where the loop ends."""
    loop = asyncio.get_running_loop()

    def embed(texts: Sequence[str]) -> Vectors:
        asked = asyncio.run_coroutine_threadsafe(encoder.passages(texts), loop)
        while True:
            try:
                return asked.result(_PATIENCE)
            except TimeoutError:
                if asked.done() or loop.is_closed():
                    raise

    return embed
