"""The values that retrieval speaks of, and the four protocols behind which its parts swap.

Retrieval finds passages. It knows nothing of HTTP, prompts or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:  # a tenth of a second that naming a type is not worth
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.filters import Condition

Vector: TypeAlias = "NDArray[np.float32]"
"""Shape (size,), L2-normalised."""

Vectors: TypeAlias = "NDArray[np.float32]"
"""Shape (n, size), rows L2-normalised."""

Scalar: TypeAlias = str | int | float | bool
Metadata: TypeAlias = Mapping[str, Scalar | Sequence[str]]

Where: TypeAlias = "str | Mapping[str, Any] | Condition"
"""A filter over metadata, in one of the forms that retrieval/filters.py reads. `document` names
the source. Applied inside the index."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who searches. What he may not see is left out inside the index, whatever a filter says.

    A document's metadata says who may: `tenant` (one team, none is every team), `groups` (any of
    them, none is everybody), `valid_from` and `valid_until` (seconds since 1970)."""

    tenant: str
    groups: frozenset[str] = frozenset()
    at: float | None = None  # seconds since 1970; now where not given


class RetrievalError(Exception):
    """The index, the encoder or the reranker cannot answer; the message says which and why."""


class InUse(RetrievalError):
    """Another process has the collection open, and only one may."""


class BadFilter(RetrievalError):
    """A filter is malformed; the message names the field."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, with its one embedding."""

    text: str
    vector: Vector
    tokens: Vectors | None = None
    """Of its tokens, weighted, from the same pass; where any collection compares them."""


BlockKind: TypeAlias = Literal["heading", "paragraph", "list", "table", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document that has a form: `document.text[start:end]`."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0  # of a heading: 1 is the title's
    page: int | None = None  # counted from 1, where the format has pages


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its whole text, and the blocks that structure it, in reading order."""

    source: str  # what it is known by in its collection: a relative path or a URL
    version: str  # sha256 of the file's bytes, hexadecimal
    title: str
    text: str
    blocks: tuple[Block, ...]
    meta: Metadata = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # what the file holds and a reader does not see; not in `text`


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document, small enough to embed whole: `document.text[start:end]`."""

    id: str  # a UUID, derived from source, version and ordinal
    document: str  # the document's source
    version: str  # the document's version
    ordinal: int  # position among the document's passages
    title: str
    headings: tuple[str, ...]  # path below the title
    text: str
    start: int
    end: int
    page: int | None = None
    meta: Metadata = field(default_factory=dict)
    parent: tuple[int, int] | None = None
    """First and last ordinal of the passages that a model reads in this one's place."""
    flags: tuple[str, ...] = ()
    """What the scan at ingestion found in it: labels of attacks on the model that reads it."""
    sketch: bytes = b""
    """MinHash signature of its words, by which near-duplicates are told; empty where not made."""

    @property
    def digest(self) -> str:
        """Changes with what is embedded: one that is known needs no second embedding."""
        return hashlib.sha256(self.embedded.encode()).hexdigest()

    @property
    def section(self) -> tuple[str, tuple[str, ...]]:
        """What the per-section cap counts: the document and the heading path."""
        return self.document, self.headings

    @property
    def embedded(self) -> str:
        """What is encoded and indexed: title and heading path in front of the text.

        White space at its end is left out: it only joins passages that are read together."""
        path = " › ".join((self.title, *self.headings)) if self.title else " › ".join(self.headings)
        text = self.text.rstrip()
        return f"{path}\n{text}" if path else text


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights: parallel tuples of hashed term and weight."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """An answer within a text: `text[start:end]`, and its log-odds against there being none."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reranker makes of one text: how much it bears on the question, and what answers it.

    `relevance` is a number of the reranker's own scale, more is better."""

    relevance: float
    answers: tuple[Span, ...] = ()  # the likeliest of each sentence, where the reranker looks

    @property
    def answer(self) -> Span | None:
        """The likeliest of all."""
        return max(self.answers, key=lambda span: span.score, default=None)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found, with the score that orders it and the scores that made it."""

    passage: Passage
    score: float
    dense: float | None = None  # cosine, where the dense half saw it
    sparse: float | None = None  # BM25, where the sparse half saw it
    tokens: float | None = None  # likeness of the tokens, where they were compared
    rerank: float | None = None
    answers: tuple[Span, ...] = ()  # within the passage's text: the likeliest of each sentence
    also: tuple[str, ...] = ()  # documents that say nearly the same, and were not served for it

    @property
    def answer(self) -> Span | None:
        """The likeliest of all, where the reranker looked for answers."""
        return max(self.answers, key=lambda span: span.score, default=None)


@dataclass(frozen=True, slots=True)
class Legs:
    """Both halves of one search over the same generation of the index, best first."""

    dense: Sequence[Hit]
    sparse: Sequence[Hit]
    places: Mapping[str, int] = field(default_factory=dict)
    """Where the index has them, by passage."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document ready to be indexed: its passages with the vectors of both halves."""

    source: str
    version: str
    passages: Sequence[Passage]
    vectors: Vectors
    sparse: Sequence[SparseVector]
    recipe: str = ""
    """Digest of how it was read and split: another one makes other passages of the same bytes."""
    stamp: str = ""
    """The item's stamp when it was read; equal stamps mean equal bytes, empty says nothing."""
    tokens: Sequence[bytes] = ()
    """The token vectors of each passage, packed; none where the collection has none."""


def versioned(document: str, version: str) -> str:
    """How one version of a document is named where both have to be told: "document@version"."""
    return f"{document}@{version}"


def document_of(name: str) -> str:
    """The document that `versioned` named; its own name may have an @, a version has none."""
    return name.rpartition("@")[0]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an index says of a document that is live in it."""

    version: str
    recipe: str = ""  # as it was written; empty where it was not said
    stamp: str = ""
    title: str = ""
    passages: int = 0  # 0 where it was written before they were counted
    meta: Metadata = field(default_factory=dict)


class Encoder(Protocol):
    """Turns texts into vectors. Batches across concurrent callers and never blocks the loop."""

    name: str
    """Identifies the model; an index written by one encoder is not read with another."""
    size: int
    window: int
    """Longest input in tokens, special tokens included."""

    async def query(self, text: str) -> Query:
        """Embed a question; one that is longer than the window is cut at its end."""
        ...

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """Embed many texts. Raises RetrievalError for one that does not fit the window."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text as this encoder counts them, special tokens included."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class TokenEncoder(Protocol):
    """An encoder that also tells the vectors of a text's tokens."""

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        """`Encoder.passages`, and from the same pass the tokens' vectors, packed."""
        ...


class Index(Protocol):
    """One collection's passages. A write becomes visible at once and whole, or not at all."""

    @property
    def generation(self) -> int:
        """Rises with every visible change."""
        ...

    def edition(self) -> str:
        """Another one whenever something else may be found: after a change, and when something
        begins or ceases to be valid. What another process has just published may be missing."""
        ...

    async def latest(self) -> str:
        """The edition as it is now, whoever published it. Raises RetrievalError."""
        ...

    async def search(
        self,
        vector: Vector,
        sparse: SparseVector,
        limit: int,
        where: Where | None = None,
        viewer: Viewer | None = None,
    ) -> Legs:
        """The best of both halves that meet the filter and that the viewer may see; from None
        nothing is kept. What is not valid now, or was superseded, is not found by anybody.

        Raises BadFilter."""
        ...

    async def documents(self) -> dict[str, Recorded]:
        """All documents that are live, by source."""
        ...

    async def passages(self, source: str, viewer: Viewer | None = None) -> list[Passage]:
        """A document's live passages in order; none where there is a viewer who could not find
        them."""
        ...

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        """For each document, first and last ordinal: its live passages from the one to the other,
        but for what a viewer, where there is one, could not find.

        They are of the version that is live now, which may be another than a hit's."""
        ...

    async def vectors(self, source: str) -> dict[str, Vector]:
        """The dense vectors of a document's live passages, by `Passage.digest`."""
        ...

    async def tokens(self, source: str) -> dict[str, bytes]:
        """The token vectors of those that have any, in the same way."""
        ...

    async def token_vectors(self, places: Sequence[int]) -> dict[int, bytes]:
        """The same by place (`Legs.places`), as far as there are any."""
        ...

    async def write(self, documents: Sequence[Embedded], remove: Sequence[str] = ()) -> None:
        """Replace these documents and remove those sources, as one change.

        Interrupted at any moment, the index answers as before or as after."""
        ...

    async def average_length(self) -> float | None:
        """BM25's average passage length in terms, fixed by the first write; None before it."""
        ...

    async def fix_average_length(self, terms: float) -> None: ...

    async def aclose(self) -> None: ...


class Indexes(Protocol):
    """All collections of one backend."""

    async def names(self) -> list[str]: ...

    async def open(self, collection: str, create: bool = False) -> Index | None:
        """The collection's index (opened once, then shared); None where there is none."""
        ...

    async def drop(self, collection: str) -> None: ...

    async def foreign(self) -> dict[str, str]:
        """The collections that another encoder wrote, and which; they cannot be opened."""
        ...

    async def reembed(
        self, collection: str, encoder: Encoder, progress: Callable[[int], None] = ...
    ) -> int:
        """Embed such a collection with this index's encoder, beside what there is, and turn to it
        in one step; how many passages that were. Interrupted, all is as before, or done.

        Nobody in this process may have it open. 0 where the encoder wrote it already."""
        ...

    async def aclose(self) -> None: ...


class Reranker(Protocol):
    """Reads passages against the question as text, both together."""

    @property
    def fused_weight(self) -> float:
        """How much the fused score counts beside the relevance, in the order of what was read."""
        ...

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        """One for each text, in its place."""
        ...

    async def aclose(self) -> None: ...
