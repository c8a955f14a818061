"""Fits the reader: one right passage among hard wrong ones, and where in it the answer stands.

Three losses are added: which of a group is right (list-wise), whether each pair is (so that scores
mean the same for every question), and first and last token of the answer or none.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor, nn
from torch.nn import functional  # type: ignore[import-not-found,unused-ignore]

from eval.train.reranker.answering import Answering
from eval.train.reranker.model import VOCABULARY, Read, Reader
from eval.train.reranker.recipe import Recipe
from eval.train.reranker.sampling import Group, Taught, groups
from retrieval.rerankers.pairs import Pair


@dataclass(frozen=True, slots=True)
class Batch:
    """Groups as tensors."""

    tokens: Tensor
    parts: Tensor
    groups: Sequence[Group]


def batch(taken: Sequence[Group]) -> Batch:
    pairs = [pair for group in taken for pair in group.pairs]
    return Batch(*padded(pairs), taken)


def padded(pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    longest = max(len(pair.tokens) for pair in pairs)
    tokens = torch.zeros(len(pairs), longest, dtype=torch.long)
    parts = torch.full((len(pairs), longest), -1, dtype=torch.long)
    for row, pair in enumerate(pairs):
        tokens[row, : len(pair.tokens)] = torch.tensor(pair.tokens)
        parts[row, : len(pair.parts)] = torch.tensor(pair.parts)
    return tokens, parts


def losses(read: Read, groups_: Sequence[Group], recipe: Recipe) -> dict[str, Tensor]:
    lists, apart, spans = [], [], []
    row = 0
    for group in groups_:
        rows = slice(row, row + len(group.pairs))
        if group.right:
            scores = read.relevance[rows]
            lists.append(-functional.log_softmax(scores, dim=0)[0])
            wanted = torch.zeros_like(scores)
            wanted[0] = 1.0
            weight = torch.full_like(scores, 1 / max(1, len(scores) - 1))
            weight[0] = 1.0
            apart.append(
                functional.binary_cross_entropy_with_logits(scores, wanted, weight, reduction="sum")
            )
        for place, span in zip(range(row, rows.stop), group.spans, strict=True):
            if span is not None:
                # Of a group's passages most are without an answer, and would outweigh the rest.
                weight = 1.0 if span or not group.right else 0.3
                spans.append(_span_loss(read, place, span) * weight)
        row = rows.stop
    nought = read.relevance.sum() * 0
    return {
        "list": torch.stack(lists).mean() if lists else nought,
        "apart": torch.stack(apart).mean() * recipe.apart_share if apart else nought,
        "span": torch.stack(spans).mean() * recipe.span_share if spans else nought,
    }


def _span_loss(read: Read, row: int, spans: Sequence[tuple[int, int]]) -> Tensor:
    """The likelihood of any of the answers, each side with `none` among its choices."""
    total = read.relevance.new_zeros(())
    for side, logits in enumerate((read.starts[row], read.ends[row])):
        shares = functional.log_softmax(torch.cat([read.none[row : row + 1], logits]), dim=0)
        right = sorted({span[side] + 1 for span in spans}) or [0]
        total = total - torch.logsumexp(shares[torch.tensor(right)], dim=0)
    return total / 2


def rarity(taught: Sequence[Taught]) -> Tensor:
    """Of each token how rare it is among all passages: 0 in every one, 1 in none."""
    seen = torch.zeros(VOCABULARY)
    many = sum(len(each.texts) for each in taught)
    for each in taught:
        for text in each.texts:
            seen[list(set(text.tokens))] += 1
    return torch.log((many + 1) / (seen + 1)) / math.log(many + 1)


def fit(reader: Reader, taught: Sequence[Taught], recipe: Recipe, folder: Path) -> Reader:
    """Trains in place; a checkpoint and a log lie in the folder."""
    torch.set_num_threads(1)  # the groups of a step are shared out instead
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    optimizer = _optimizer(reader, recipe)
    drawn, answering = groups(taught, recipe), Answering(taught, recipe)
    seen: dict[str, float] = {}
    started = time.perf_counter()
    reader.train()
    with (
        (folder / "log.txt").open("a") as log,
        ThreadPoolExecutor(recipe.threads) as pool,
    ):
        step, done = 0, 0.0
        while done < 1:
            step += 1
            _set_rate(optimizer, done, recipe)
            taken = [next(drawn) for _ in range(recipe.groups)]
            asked = (answering.draw(done) for _ in range(recipe.answering))
            taken += [group for group in asked if group]
            told = _step(reader, optimizer, taken, pool, recipe)
            seconds = time.perf_counter() - started
            done = max(step / recipe.steps, seconds / 60 / recipe.minutes if recipe.minutes else 0)
            for name, value in told.items():
                seen[name] = seen.get(name, value) * 0.98 + value * 0.02
            if step % 10 == 0:
                line = " ".join(f"{name} {value:.4f}" for name, value in seen.items())
                log.write(f"{step} {seconds:.0f}s {line}\n")
                log.flush()
            if step % recipe.saved == 0 or done >= 1:
                torch.save(reader.state_dict(), folder / "reader.pt")
    reader.eval()
    return reader


def _step(
    reader: Reader,
    optimizer: torch.optim.Optimizer,
    taken: Sequence[Group],
    pool: ThreadPoolExecutor,
    recipe: Recipe,
) -> dict[str, float]:
    """One step, its groups shared out among threads: a small model's products are too small for
    the library to share out itself. Gradients are added in a fixed order."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    by_length = sorted(taken, key=lambda group: max(len(pair.tokens) for pair in group.pairs))
    size = -(-len(taken) // recipe.threads)
    shares = [by_length[i : i + size] for i in range(0, len(taken), size)]
    found = list(pool.map(lambda share: _gradients(reader, parameters, share, recipe), shares))
    for place, parameter in enumerate(parameters):
        mine = [g for gradients, _ in found if (g := gradients[place]) is not None]
        # Batches without an answer to be found teach the answer's head nothing.
        parameter.grad = torch.stack(mine).sum(0) / len(found) if mine else None
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return {name: sum(told[name] for _, told in found) / len(found) for name in found[0][1]}


def _gradients(
    reader: Reader, parameters: Sequence[nn.Parameter], share: Sequence[Group], recipe: Recipe
) -> tuple[Sequence[Tensor | None], dict[str, float]]:
    taken = batch(share)
    # Where the processor has no products of this kind they are imitated, many times slower.
    quick = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=quick):
        read = reader(taken.tokens, taken.parts)
    parts = losses(read, taken.groups, recipe)
    total = torch.stack(list(parts.values())).sum()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return gradients, {name: value.item() for name, value in parts.items()}


def _set_rate(optimizer: torch.optim.Optimizer, done: float, recipe: Recipe) -> None:
    """Up in the first steps, then down in a line."""
    share = min(done / recipe.warm, max(0.02, (1 - done) / (1 - recipe.warm)))
    for group in optimizer.param_groups:
        group["lr"] = group["full"] * share


def _optimizer(reader: Reader, recipe: Recipe) -> torch.optim.Optimizer:
    """The vocabulary stays as it is: so little text would only teach it to forget."""
    reader.words.weight.requires_grad_(False)
    reader.places.weight.requires_grad_(False)
    body = [p for name, p in reader.named_parameters() if name.startswith(("layers", "norm"))]
    chosen = {id(p) for p in body}
    heads = [p for p in reader.parameters() if p.requires_grad and id(p) not in chosen]
    return torch.optim.AdamW(
        [
            {"params": body, "lr": 0.0, "full": recipe.rate, "weight_decay": recipe.decay},
            {"params": heads, "lr": 0.0, "full": recipe.head_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
