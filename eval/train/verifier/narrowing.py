"""Cuts a small pair model out of a large one: some of its layers, and of each the neurons that
matter most to what it says. What it loses by that is for training to mend.

A neuron matters by how much the loss would change without it, as far as its slope tells: activation
times gradient, over a sample of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor
from torch.nn import functional  # type: ignore[import-not-found,unused-ignore]

from eval.train.verifier.model import PairModel
from eval.train.verifier.training import Labelled, inputs

_TOGETHER = 48


def narrowed(
    model: PairModel, worth: Sequence[Tensor], kept: Sequence[int], wide: int
) -> PairModel:
    """Some of the layers, with the neurons that are worth most."""
    small = PairModel(len(kept), wide)
    state = model.state_dict()
    made = {name: value for name, value in state.items() if not name.startswith("layers.")}
    for mine, theirs in enumerate(kept):
        left = torch.topk(worth[theirs], wide).indices.sort().values
        prefix = f"layers.{theirs}."
        for name, value in state.items():
            if name.startswith(prefix):
                own = name.removeprefix(prefix)
                made[f"layers.{mine}.{own}"] = _cut(own, value, left).clone()
    small.load_state_dict(made)
    return small


def _cut(name: str, value: Tensor, left: Tensor) -> Tensor:
    if name in ("wide.weight", "wide.bias"):
        return value[left]
    return value[:, left] if name == "narrow.weight" else value


def worth(model: PairModel, words: Tensor, sample: Sequence[Labelled]) -> list[Tensor]:
    """Of each layer's neurons."""
    found = [torch.zeros(layer.wide.out_features) for layer in model.layers]
    for at in range(0, len(sample), _TOGETHER):
        some = sample[at : at + _TOGETHER]
        with _watched(model) as fired:
            told = model(*inputs(words, [each.reads[0] for each in some]))
            wanted = torch.tensor([each.chance for each in some])
            functional.binary_cross_entropy_with_logits(told, wanted, reduction="sum").backward()
        for sums, neurons in zip(found, fired, strict=True):
            sums += (neurons * neurons.grad).sum(1).abs().sum(0).detach()
    model.zero_grad()
    return found


@contextmanager
def _watched(model: PairModel) -> Iterator[list[Tensor]]:
    """The neurons of each layer, with their gradients to come."""
    fired: list[Tensor] = []

    def watch(_: object, given: tuple[Tensor, ...]) -> None:
        given[0].retain_grad()
        fired.append(given[0])

    hooks = [layer.narrow.register_forward_pre_hook(watch) for layer in model.layers]
    try:
        yield fired
    finally:
        for hook in hooks:
            hook.remove()
