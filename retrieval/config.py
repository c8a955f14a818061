"""Retrieval's section of the configuration: encoder, index, reranker, fusion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


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


class CrossEncoderReranker(Section):
    """Any sentence-transformers cross-encoder (extra `train`)."""

    kind: Literal["cross-encoder"]
    model: str = Field(description="A folder or a hub name.")
    device: str | None = Field(default=None, description="cuda, mps or cpu; chosen when empty.")


class HttpReranker(Section):
    """Any endpoint that speaks the Cohere and Jina /rerank shape."""

    kind: Literal["http"]
    base_url: str = Field(description="Base URL; /rerank is appended.")
    model: str = Field(description="Model name sent in the request.")
    api_key: SecretStr | None = Field(default=None, description='A secret, as "env:NAME".')


RerankerConfig = Annotated[
    NoReranker | CrossEncoderReranker | HttpReranker, Field(discriminator="kind")
]


class RetrievalConfig(Section):
    """How passages are found."""

    encoder: EncoderConfig = Field(default=MiniLMEncoder(), description="What embeds texts.")
    index: IndexConfig = Field(default=EmbeddedIndex(), description="Where passages live.")
    reranker: RerankerConfig = Field(default=NoReranker(), description="What reorders the best.")
    top_k: int = Field(default=6, ge=1, le=50, description="Passages handed to the model.")
    candidates: int = Field(default=100, ge=1, description="Passages taken from each half.")
    dense_weight: float = Field(
        default=0.4, ge=0, le=1, description="Share of the dense score; the rest is BM25's."
    )
    rerank_top: int = Field(default=20, ge=1, description="Passages that the reranker reads.")
    per_section: int = Field(default=2, ge=1, description="Most passages of one section.")
    passage_tokens: int = Field(
        default=240, ge=32, le=512, description="Longest passage, with its heading path."
    )
