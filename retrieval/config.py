"""Retrieval's section of the configuration: encoder, index, reranker, fusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, model_validator

LONGEST_PASSAGE = 512
"""Tokens: what a passage may be set to at most. An encoder may read less."""


class Section(BaseModel):
    """A part of the configuration: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MiniLMEncoder(Section):
    """all-MiniLM-L6-v2 on the CPU by ONNX Runtime, from the packaged weights."""

    kind: Literal["minilm"] = "minilm"
    precision: Literal["int8", "fp32"] = Field(
        default="int8",
        description="int8 is twice as fast; measured on SQuAD it costs the blend 0.001 nDCG@10.",
    )
    threads: int = Field(default=1, ge=1, description="Threads of one encoding.")


class SentenceTransformersEncoder(Section):
    """Any sentence-transformers model, on GPU where there is one (extra `train`)."""

    kind: Literal["sentence-transformers"]
    model: str = Field(description="A folder or a hub name.")
    device: str | None = Field(default=None, description="cuda, mps or cpu; chosen when empty.")


class HttpEncoder(Section):
    """Any OpenAI-compatible /v1/embeddings endpoint."""

    kind: Literal["http"]
    base_url: str = Field(description="Base URL that ends in /v1.")
    model: str = Field(description="Model name sent in the request.")
    size: int = Field(ge=1, description="Dimensions of a vector.")
    window: int = Field(default=512, ge=16, description="Longest input, in tokens.")
    api_key: SecretStr | None = Field(default=None, description='A secret, as "env:NAME".')


EncoderConfig = Annotated[
    MiniLMEncoder | SentenceTransformersEncoder | HttpEncoder, Field(discriminator="kind")
]


class EmbeddedIndex(Section):
    """Qdrant in this process, on disk, one shard a collection."""

    kind: Literal["embedded"] = "embedded"


class QdrantIndex(Section):
    """A Qdrant server or cluster."""

    kind: Literal["qdrant"]
    url: str = Field(description='For example http://qdrant:6333, or ":memory:" for tests.')
    api_key: SecretStr | None = Field(default=None, description='A secret, as "env:NAME".')
    prefix: str = Field(default="moorline_", description="Put before every collection's name.")


IndexConfig = Annotated[EmbeddedIndex | QdrantIndex, Field(discriminator="kind")]


class NoReranker(Section):
    """The fused order stands."""

    kind: Literal["none"] = "none"


class ReaderReranker(Section):
    """A small cross-encoder that also finds answers: the packaged one, or one's own."""

    kind: Literal["reader"] = "reader"
    folder: Path | None = Field(
        default=None,
        description="What `moorline train reranker` has written; the packaged reader when empty.",
    )
    threads: int = Field(default=2, ge=1, description="Passages read at the same time.")
    fused_weight: float | None = Field(
        default=None,
        ge=0,
        description="How much the fused score counts beside the relevance, which is in log-odds; "
        "as it was fitted on validation questions when empty.",
    )


class CrossEncoderReranker(Section):
    """Any sentence-transformers cross-encoder (extra `train`)."""

    kind: Literal["cross-encoder"]
    model: str = Field(description="A folder or a hub name.")
    device: str | None = Field(default=None, description="cuda, mps or cpu; chosen when empty.")
    fused_weight: float = Field(
        default=0.0, ge=0, description="How much the fused score counts beside the model's."
    )


class HttpReranker(Section):
    """Any endpoint that speaks the Cohere and Jina /rerank shape."""

    kind: Literal["http"]
    base_url: str = Field(description="Base URL; /rerank is appended.")
    model: str = Field(description="Model name sent in the request.")
    api_key: SecretStr | None = Field(default=None, description='A secret, as "env:NAME".')
    fused_weight: float = Field(
        default=0.0, ge=0, description="How much the fused score counts beside the endpoint's."
    )


RerankerConfig = Annotated[
    NoReranker | ReaderReranker | CrossEncoderReranker | HttpReranker, Field(discriminator="kind")
]


class FixedChunker(Section):
    """So many tokens each, whatever they cut through, with an overlap."""

    kind: Literal["fixed"]
    overlap: int = Field(default=40, ge=0, description="Tokens that two neighbours share.")


class SectionChunker(Section):
    """Along headings; tables, lists and code are cut only where they are too long for one."""

    kind: Literal["sections"] = "sections"


class SemanticChunker(Section):
    """Where the subject turns: at the largest distances between neighbouring sentences."""

    kind: Literal["semantic"]
    percentile: float = Field(
        default=95, gt=0, lt=100, description="Distances above this share of all are turns."
    )


class SmallToBigChunker(Section):
    """Small passages are searched; the model reads the stretch of their section around them."""

    kind: Literal["small-to-big"]
    child_tokens: int = Field(default=128, ge=16, description="Longest passage that is searched.")
    parent_tokens: int = Field(default=320, ge=64, description="Longest stretch that is read.")


class SentenceWindowChunker(Section):
    """Single sentences are searched; the model reads them with their neighbours."""

    kind: Literal["sentence-window"]
    window: int = Field(default=3, ge=1, description="Sentences read on either side.")


ChunkerConfig = Annotated[
    FixedChunker | SectionChunker | SemanticChunker | SmallToBigChunker | SentenceWindowChunker,
    Field(discriminator="kind"),
]


class NoExpansion(Section):
    """The question is searched as it was asked."""

    kind: Literal["off"] = "off"


class MultiQueryExpansion(Section):
    """A model words the question otherwise, and all wordings are searched. Costs a call of the
    model and its time for each search; what it costs is in the trace and counts as the key's."""

    kind: Literal["multi_query"]
    model: str = Field(min_length=1, description="Who words it: an alias or `provider/model`.")
    queries: int = Field(default=3, ge=1, le=8, description="Further wordings.")
    time_ms: float = Field(
        default=2000,
        gt=0,
        description="Longest that it may take, in milliseconds; over it the question is searched "
        "as it was asked, and the trace says so.",
    )


class HydeExpansion(Section):
    """A model writes passages that might answer, and what is near those is found, too (HyDE).
    Costs as `multi_query` does."""

    kind: Literal["hyde"]
    model: str = Field(min_length=1, description="Who writes: an alias or `provider/model`.")
    time_ms: float = Field(
        default=4000, gt=0, description="Longest that it may take, in milliseconds."
    )


ExpansionConfig = Annotated[
    NoExpansion | MultiQueryExpansion | HydeExpansion, Field(discriminator="kind")
]


class SourcesConfig(Section):
    """How documents are fetched that lie elsewhere."""

    private_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks that are not public and may be fetched from all the same, such as "
        '"10.1.0.0/16"; else an address could be used to look around behind the firewall.',
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds in which a page must have come whole."
    )
    user_agent: str = Field(
        default="Moorline/0.1 (document ingestion)",
        min_length=1,
        pattern=r"^[\x20-\x7e]+$",
        description="How a server is told who asks.",
    )
    robots: bool = Field(
        default=True, description="Whether the pages of a sitemap are read as robots.txt allows."
    )
    sitemap_pages: int = Field(default=10_000, ge=1, description="Most pages of one sitemap.")
    s3_endpoint: str | None = Field(
        default=None,
        description="URL of an S3-compatible server; AWS_ENDPOINT_URL_S3 or Amazon's where empty.",
    )
    s3_region: str | None = Field(
        default=None, description="Region of the buckets; as the environment says where empty."
    )


Fusion: TypeAlias = Literal["weighted", "reciprocal"]
Language: TypeAlias = Annotated[str, Field(pattern="^[a-z]{2}$")]


class CollectionConfig(Section):
    """What one collection does otherwise; what is not set here is as in `retrieval`."""

    chunker: ChunkerConfig | None = Field(default=None, description="How documents are split.")
    passage_tokens: int | None = Field(
        default=None, ge=32, le=LONGEST_PASSAGE, description="Longest passage."
    )
    top_k: int | None = Field(default=None, ge=1, le=50, description="Passages for the model.")
    languages: tuple[Language, ...] | None = Field(
        default=None, description="Of the documents, beside English."
    )
    spelling: bool | None = Field(
        default=None, description="Whether misspelt words are looked for as they are meant."
    )
    fusion: Fusion | None = Field(default=None, description="How both halves become one order.")
    dense_weight: float | None = Field(
        default=None, ge=0, le=1, description="Share of the dense score; `moorline tune` fits it."
    )
    token_vectors: bool | None = Field(
        default=None, description="Whether the tokens' own vectors are stored and compared."
    )
    token_weight: float | None = Field(
        default=None, ge=0, le=1, description="Share of the tokens' likeness in the order."
    )
    token_top: int | None = Field(
        default=None, ge=1, le=100, description="Passages whose tokens are compared."
    )
    rerank_top: int | None = Field(
        default=None, ge=0, description="Passages that the reranker reads; 0 leaves it out."
    )
    rerank_ms: float | None = Field(
        default=None, gt=0, description="Longest that reranking may take, in milliseconds."
    )
    per_section: int | None = Field(default=None, ge=0, description="Most of one section.")
    diversity: float | None = Field(
        default=None, ge=0, le=1, description="Share of newness in the order; 0 leaves it out."
    )


class RetrievalConfig(Section):
    """How passages are found."""

    encoder: EncoderConfig = Field(default=MiniLMEncoder(), description="What embeds texts.")
    index: IndexConfig = Field(default=EmbeddedIndex(), description="Where passages live.")
    reranker: RerankerConfig = Field(default=NoReranker(), description="What reorders the best.")
    top_k: int = Field(default=6, ge=1, le=50, description="Passages handed to the model.")
    candidates: int = Field(default=100, ge=1, description="Passages taken from each half.")
    languages: tuple[Language, ...] = Field(
        default=(),
        description=(
            'Of the documents, beside English, such as ["de", "fr"]: a question whose words do not '
            "tell its language is searched in these, too. One that does needs no setting."
        ),
    )
    expansion: ExpansionConfig = Field(
        default=NoExpansion(), description="What else is searched beside the question."
    )
    spelling: bool = Field(
        default=True,
        description=(
            "Whether a word of a question that no document has is also looked for as the nearest "
            "one that some have: an edit away from 4 letters on, two from 8, never in an "
            "identifier. It counts less, and `moorline search --explain` names it."
        ),
    )
    fusion: Fusion = Field(
        default="weighted",
        description=(
            "How both halves become one order: `weighted` blends their scores, `reciprocal` adds "
            "1 / (60 + rank) and needs no weight."
        ),
    )
    dense_weight: float = Field(
        default=0.4, ge=0, le=1, description="Share of the dense score; the rest is BM25's."
    )
    token_vectors: bool = Field(
        default=False,
        description=(
            "Whether the vectors of each passage's tokens are stored and compared with those of "
            "the question (late interaction; `minilm` only). Takes 0.5 KB of disk a token. What "
            "was ingested before is embedded anew by the next ingestion, and found as without "
            "until then."
        ),
    )
    token_weight: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share of the tokens' likeness in the order; the rest is the fused score's.",
    )
    token_top: int = Field(
        default=20, ge=1, le=100, description="Passages whose tokens are compared."
    )
    rerank_top: int = Field(default=20, ge=0, description="Passages that the reranker reads.")
    rerank_ms: float = Field(
        default=1000,
        gt=0,
        description=(
            "Longest that reranking may take, in milliseconds; over it the fused order stands and "
            "the trace says so."
        ),
    )
    per_section: int = Field(
        default=0,
        ge=0,
        description=(
            "Most passages of one section, the whole of a document without headings counting as "
            "one. 0 is no limit: any limit costs answers in long sections (`moorline eval "
            "chunking --per-section`)."
        ),
    )
    diversity: float = Field(
        default=0,
        ge=0,
        le=1,
        description=(
            "Share of newness in the order (maximal marginal relevance): passages that repeat the "
            "words of better ones come later. 0 leaves it out."
        ),
    )
    passage_tokens: int = Field(
        default=240,
        ge=32,
        le=LONGEST_PASSAGE,
        description="Longest passage, with its heading path.",
    )
    chunker: ChunkerConfig = Field(
        default=SectionChunker(), description="How documents are split into passages."
    )
    sources: SourcesConfig = Field(
        default=SourcesConfig(), description="How pages and buckets are fetched."
    )
    collections: Mapping[str, CollectionConfig] = Field(
        default_factory=dict, description="Collections that are split or searched otherwise."
    )

    @property
    def compares_tokens(self) -> bool:
        """Whether any collection does."""
        return self.token_vectors or any(one.token_vectors for one in self.collections.values())

    @model_validator(mode="after")
    def _tokens_have_vectors(self) -> RetrievalConfig:
        if self.compares_tokens and not isinstance(self.encoder, MiniLMEncoder):
            raise ValueError("token_vectors needs the encoder `minilm`; others do not tell them.")
        return self

    def of(self, collection: str) -> RetrievalConfig:
        """The settings of one collection."""
        own = self.collections.get(collection)
        changed = {name: value for name, value in own or () if value is not None}
        return self.model_copy(update=changed)
