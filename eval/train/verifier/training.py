"""Fits the pair model: is the answer to this question an answer to that one?"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional  # type: ignore[import-not-found,unused-ignore]

from cache.verification.pairs import Read
from eval.train.verifier.model import PairModel
from eval.train.verifier.recipe import Recipe, Turn

_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Labelled:
    """A pair in both orders, as tokens, and the chance that it is to be given."""

    reads: tuple[Read, Read]
    chance: float


def fit(
    model: PairModel,
    words: Tensor,
    taught: Sequence[Labelled],
    turns: Sequence[Turn],
    recipe: Recipe,
    checkpoint: Path,
) -> None:
    """Trains in place; a log lies beside the checkpoint."""
    torch.set_num_threads(1)  # the pairs of a step are shared out instead
    model.train()
    log_file = checkpoint.with_suffix(".txt")
    with log_file.open("a") as log, ThreadPoolExecutor(recipe.threads) as pool:
        for turn in turns:
            optimizer = _optimizer(model, recipe, turn)
            batches = _batches(taught, recipe.pairs, turn.seed)
            started, average = time.perf_counter(), 0.7
            for step in range(1, turn.ended + 1):
                _set_rate(optimizer, step / turn.steps, turn)
                loss = _step(model, words, optimizer, next(batches), pool, recipe)
                average += 0.01 * (loss - average)
                if step % 20 == 0:
                    log.write(f"{step} {time.perf_counter() - started:.0f}s {average:.4f}\n")
                    log.flush()
                if step % recipe.saved == 0 or step == turn.ended:
                    torch.save(model.state_dict(), checkpoint)
    model.eval()


def opinions(model: PairModel, words: Tensor, reads: Sequence[Read]) -> NDArray[np.float64]:
    """Chances, as the model sees them."""
    order = sorted(range(len(reads)), key=lambda place: len(reads[place].tokens))
    told = np.empty(len(reads))
    with torch.no_grad():
        for at in range(0, len(order), _TOGETHER):
            places = order[at : at + _TOGETHER]
            told[places] = torch.sigmoid(model(*inputs(words, [reads[p] for p in places]))).numpy()
    return told


def inputs(words: Tensor, reads: Sequence[Read]) -> tuple[Tensor, Tensor, Tensor]:
    """Reads as tensors, padded."""
    longest = max(len(read.tokens) for read in reads)
    tokens = torch.zeros(len(reads), longest, dtype=torch.long)
    parts = torch.full((len(reads), longest), -1, dtype=torch.long)
    rarity = torch.zeros(len(reads), longest)
    for row, read in enumerate(reads):
        tokens[row, : len(read.tokens)] = torch.tensor(read.tokens)
        parts[row, : len(read.parts)] = torch.tensor(read.parts)
        rarity[row, : len(read.rarity)] = torch.tensor(read.rarity)
    return words[tokens], parts, rarity


def _batches(
    taught: Sequence[Labelled], pairs: int, seed: int
) -> Iterator[list[tuple[Read, float]]]:
    """Pairs of about one length together, each in one of its orders, for ever."""
    chosen = random.Random(seed)
    while True:
        order = [(len(each.reads[0].tokens) + chosen.random() * 4, each) for each in taught]
        order.sort(key=lambda each: each[0])
        batches = [order[at : at + pairs] for at in range(0, len(order), pairs)]
        chosen.shuffle(batches)
        for batch in batches:
            yield [(each.reads[chosen.randrange(2)], each.chance) for _, each in batch]


def _step(
    model: PairModel,
    words: Tensor,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[tuple[Read, float]],
    pool: ThreadPoolExecutor,
    recipe: Recipe,
) -> float:
    """One step, shared out among threads; gradients are added in a fixed order."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    size = -(-len(batch) // recipe.threads)
    shares = [batch[at : at + size] for at in range(0, len(batch), size)]

    def gradients(share: Sequence[tuple[Read, float]]) -> tuple[Sequence[Tensor], float]:
        told = model(*inputs(words, [read for read, _ in share]))
        wanted = torch.tensor([chance for _, chance in share])
        loss = functional.binary_cross_entropy_with_logits(told, wanted)
        return torch.autograd.grad(loss, parameters), float(loss.detach())

    found = list(pool.map(gradients, shares))
    for place, parameter in enumerate(parameters):
        parameter.grad = torch.stack([made[place] for made, _ in found]).mean(0)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return sum(loss for _, loss in found) / len(found)


def _set_rate(optimizer: torch.optim.Optimizer, done: float, turn: Turn) -> None:
    """Up in the first steps, then down as a cosine falls."""
    share = min(done / turn.warm, 0.5 + 0.5 * math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = group["full"] * share


def _optimizer(model: PairModel, recipe: Recipe, turn: Turn) -> torch.optim.Optimizer:
    model.places.weight.requires_grad_(False)
    body: list[nn.Parameter] = []
    heads: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (body if name.startswith(("layers", "norm")) else heads).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": body, "lr": 0.0, "full": turn.rate, "weight_decay": recipe.decay},
            {"params": heads, "lr": 0.0, "full": turn.head_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
