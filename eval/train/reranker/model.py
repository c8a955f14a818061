"""The reader in torch: a few of MiniLM's layers over a question and a text, and two heads.

Relevance comes of [CLS] and of the question's tokens, each with the text's token that is nearest
to it (late interaction, weighted by what the model learns a token to be worth). The answer is a
first and a last token, or none. It knows nothing of data or of how it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor, nn
from torch.nn import functional  # type: ignore[import-not-found,unused-ignore]

from retrieval.rerankers.pairs import ASKED, READ

SIZE, HEADS, WIDE, VOCABULARY, PLACES, PARTS = 384, 12, 1536, 30522, 512, 5
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Read:
    """What the heads say, a row a pair. `none` is the log-weight of there being no answer."""

    relevance: Tensor
    starts: Tensor
    ends: Tensor
    none: Tensor


class Layer(nn.Module):  # type: ignore[misc,unused-ignore]
    """One of BERT's."""

    def __init__(self, wide: int = WIDE) -> None:
        super().__init__()
        self.query = nn.Linear(SIZE, SIZE)
        self.key = nn.Linear(SIZE, SIZE)
        self.value = nn.Linear(SIZE, SIZE)
        self.mixed = nn.Linear(SIZE, SIZE)
        self.mixed_norm = nn.LayerNorm(SIZE, eps=_EPSILON)
        self.wide = nn.Linear(SIZE, wide)
        self.narrow = nn.Linear(wide, SIZE)
        self.norm = nn.LayerNorm(SIZE, eps=_EPSILON)

    def forward(self, x: Tensor, mask: Tensor, made: Tensor | None = None) -> Tensor:
        """Of all tokens, or of those alone that are `made`."""
        made = x if made is None else made
        query, key, value = (
            part(given).view(*given.shape[:2], HEADS, SIZE // HEADS).transpose(1, 2)
            for part, given in ((self.query, made), (self.key, x), (self.value, x))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = self.mixed(mixed.transpose(1, 2).reshape(made.shape))
        x = self.mixed_norm(made + mixed)
        narrow: Tensor = self.narrow(functional.gelu(self.wide(x)))
        out: Tensor = self.norm(x + narrow)
        return out


class Reader(nn.Module):  # type: ignore[misc,unused-ignore]
    """Tokens and their parts in, relevance and answer out."""

    rarity: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, SIZE)
        self.places = nn.Embedding(PLACES, SIZE)
        self.parts = nn.Embedding(PARTS, SIZE)
        self.rare = nn.Embedding(PARTS, SIZE)
        self.register_buffer("rarity", torch.zeros(VOCABULARY))
        self.norm = nn.LayerNorm(SIZE, eps=_EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.worth = nn.Linear(SIZE, 1)
        self.dense = nn.Linear(SIZE, SIZE)
        self.relevance = nn.Linear(SIZE, 1)
        self.near = nn.Parameter(torch.tensor(8.0))
        self.span = nn.Linear(SIZE, 2)
        self.none = nn.Linear(SIZE, 1)
        nn.init.zeros_(self.rare.weight)

    def forward(self, tokens: Tensor, parts: Tensor) -> Read:
        """`parts` is -1 where a row is padded."""
        there = parts >= 0
        part = parts.clamp(min=0)
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]] + self.parts(part)
        x = x + self.rarity[tokens].unsqueeze(-1) * self.rare(part)
        x = self.norm(x)
        mask = there[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        first = torch.tanh(self.dense(x[:, 0]))
        relevance = self.relevance(first).squeeze(-1).float() + self._near(x, parts)
        read = parts >= READ
        starts, ends = self.span(x).float().masked_fill(~read.unsqueeze(-1), -1e4).unbind(-1)
        return Read(relevance, starts, ends, self.none(x[:, 0]).squeeze(-1).float())

    def _near(self, x: Tensor, parts: Tensor) -> Tensor:
        """How near the text comes to each token of the question, weighted by its worth."""
        unit = functional.normalize(x.float(), dim=-1)
        asked = (parts >= ASKED) & (parts < READ)
        alike = unit @ unit.transpose(1, 2)
        nearest = alike.masked_fill((parts < READ)[:, None, :], -1.0).amax(dim=-1)
        worth = functional.softplus(self.worth(x).squeeze(-1).float()) * asked
        near: Tensor = self.near * (worth * nearest).sum(dim=1) / worth.sum(dim=1).clamp(min=1e-6)
        return near


def from_minilm(tensors: Mapping[str, Tensor], kept: Sequence[int]) -> Reader:
    """A reader that begins with the encoder's words and some of its layers."""
    reader = Reader(len(kept))
    state = {
        "words.weight": tensors["embeddings.word_embeddings.weight"],
        "places.weight": tensors["embeddings.position_embeddings.weight"],
        "parts.weight": tensors["embeddings.token_type_embeddings.weight"][:1].repeat(PARTS, 1),
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for mine, theirs in enumerate(kept):
        for own, name in NAMES.items():
            for kind in ("weight", "bias"):
                source = f"encoder.layer.{theirs}.{name}.{kind}"
                state[f"layers.{mine}.{own}.{kind}"] = tensors[source]
    missing, unknown = reader.load_state_dict(state, strict=False)
    assert not unknown
    assert not any(name.startswith(("layers", "words", "places", "norm")) for name in missing)
    return reader


def from_stored(tensors: Mapping[str, Any]) -> Reader:
    """A reader that goes on from one that was exported."""
    layers = len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
    reader = Reader(layers)
    state = reader.state_dict()
    given = {name: torch.tensor(value) for name, value in tensors.items()}
    # Of the places only those are exported that a pair can reach.
    reached = len(given["places.weight"])
    given["places.weight"] = torch.cat([given["places.weight"], state["places.weight"][reached:]])
    reader.load_state_dict(given)
    return reader


NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "mixed_norm": "attention.output.LayerNorm",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "norm": "output.LayerNorm",
}
