"""The pair model in torch: MiniLM's words, frozen, under some of its layers, and one opinion.

Only [CLS] is read at the end, so the last layer makes nothing else. It knows nothing of data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor, nn

from eval.train.reranker.model import NAMES, PARTS, SIZE, WIDE, Layer

PLACES = 160
"""Tokens of a pair."""


class PairModel(nn.Module):  # type: ignore[misc,unused-ignore]
    """Words and their parts in, log-odds out. The words come from outside, as rows."""

    def __init__(self, layers: int, wide: int = WIDE) -> None:
        super().__init__()
        self.places = nn.Embedding(PLACES, SIZE)
        self.parts = nn.Embedding(PARTS, SIZE)
        self.rare = nn.Embedding(PARTS, SIZE)
        self.norm = nn.LayerNorm(SIZE, eps=1e-12)
        self.layers = nn.ModuleList(Layer(wide) for _ in range(layers))
        self.dense = nn.Linear(SIZE, SIZE)
        self.same = nn.Linear(SIZE, 1)
        nn.init.zeros_(self.rare.weight)

    def forward(self, words: Tensor, parts: Tensor, rarity: Tensor) -> Tensor:
        """`parts` is -1 where a row is padded."""
        there = parts >= 0
        part = parts.clamp(min=0)
        x = words + self.places.weight[: words.shape[1]] + self.parts(part)
        x = self.norm(x + rarity.unsqueeze(-1) * self.rare(part))
        mask = there[:, None, None, :]
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, mask)
        first = last(x, mask, x[:, :1])[:, 0]
        told: Tensor = self.same(torch.tanh(self.dense(first))).squeeze(-1)
        return told


def from_minilm(tensors: Mapping[str, Tensor], kept: Sequence[int]) -> PairModel:
    """A model that begins with some of the encoder's layers."""
    model = PairModel(len(kept))
    state = {
        "places.weight": tensors["embeddings.position_embeddings.weight"][:PLACES],
        "parts.weight": tensors["embeddings.token_type_embeddings.weight"][:1].repeat(PARTS, 1),
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for mine, theirs in enumerate(kept):
        for own, name in NAMES.items():
            for kind in ("weight", "bias"):
                source = f"encoder.layer.{theirs}.{name}.{kind}"
                state[f"layers.{mine}.{own}.{kind}"] = tensors[source]
    _, unknown = model.load_state_dict(state, strict=False)
    assert not unknown
    return model
