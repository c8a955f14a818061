"""From data to a folder that `retrieval.reranker.folder` takes: graph, tokenizer, figures."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch  # type: ignore[import-not-found,unused-ignore]
from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]
from tokenizers import Tokenizer

from eval.train.reranker.export import arrays, export, stored
from eval.train.reranker.judging import Judged, judged, mean
from eval.train.reranker.material import Collection, collections
from eval.train.reranker.model import Reader, from_minilm, from_stored
from eval.train.reranker.own import own
from eval.train.reranker.recipe import Recipe
from eval.train.reranker.sampling import Taught, taught
from eval.train.reranker.training import fit, rarity
from eval.train.reranker.weighing import fitted_weight, ordered
from retrieval.config import MiniLMEncoder, ReaderReranker, RetrievalConfig
from retrieval.encoders.minilm import MiniLM, model_folder
from retrieval.rerankers.reader import FITTED, GRAPH, PACKAGED, VOCABULARY
from retrieval.rerankers.reader import Reader as Packaged

_MOST = 250  # validation questions of a collection


def fitted(
    recipe: Recipe, out: Path, data: Path | None, pairs: Path | None, start: Path | None
) -> str:
    """Train, export, and say what the validation questions make of it."""
    out.mkdir(parents=True, exist_ok=True)
    encoder = MiniLM(MiniLMEncoder(), out / "kept")
    tokenizer = _tokenizer()
    world = _world(data, pairs, encoder)
    ready = [taught(collection, encoder, tokenizer, out / "kept") for collection in world]
    torch.manual_seed(recipe.seed)
    start = start or (PACKAGED if pairs else None)
    reader = from_stored(stored(start / GRAPH)) if start else _begun(recipe, ready)
    fit(reader, ready, recipe, out / "kept")
    export(arrays(reader.state_dict()), out / GRAPH)
    shutil.copyfile(model_folder() / "tokenizer.json", out / VOCABULARY)
    held_out = asyncio.run(_read(ready, out))
    weight = fitted_weight(held_out) if held_out else 0.0
    figures = {name: _figure(questions, weight) for name, questions in held_out.items()}
    fitted_as = {"fused_weight": weight, "recipe": asdict(recipe), "validation": figures}
    (out / FITTED).write_text(json.dumps(fitted_as, indent=1) + "\n")
    return "\n".join(f"{name}: {line}" for name, line in figures.items())


def _world(data: Path | None, pairs: Path | None, encoder: MiniLM) -> list[Collection]:
    if pairs:
        return [own(pairs)]
    assert data is not None  # The command wants one of them.
    return collections(data, encoder.count)


def _begun(recipe: Recipe, ready: Sequence[Taught]) -> Reader:
    weights = load_file(str(model_folder() / "model.safetensors"))
    reader = from_minilm(weights, recipe.layers)
    reader.rarity.copy_(rarity(ready))
    return reader


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


async def _read(ready: Sequence[Taught], folder: Path) -> dict[str, list[Judged]]:
    """The validation questions of each collection, read by what was exported."""
    reader = Packaged(ReaderReranker(folder=folder))
    found = {}
    for each in ready:
        questions = await judged(
            each.collection, each.searched, each.vectors, "validation", reader,
            RetrievalConfig(), _MOST,
        )  # fmt: skip
        if questions:
            found[each.collection.name] = questions
    await reader.aclose()
    return found


def _figure(questions: Sequence[Judged], weight: float) -> str:
    return (
        f"{len(questions)} questions, nDCG@10 {mean(questions):.3f} as found, "
        f"{mean(questions, ordered(weight)):.3f} as read"
    )
