"""How near the estimates of tokens come to real tokenizers, and what they are fitted on.

Texts of all kinds, 2,000 characters at a time. A kind is a folder's files of one format; each kind
is judged by weights that were fitted without it. What is named as a test part is left out.
"""

from __future__ import annotations

import json
import random
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from context.families import UNKNOWN, Family, Weights, quick_counts
from context.vocabularies import O200K, written_out

SIZE = 2_000  # characters of a text
MOST = 60  # texts of a kind
_FEWEST = 15  # texts, with which a kind is one
_READ = 40_000  # characters of a file
_FILES = 400  # of a kind
_SUFFIXES = frozenset({".md", ".txt", ".py", ".html", ".csv", ".xml", ".json", ".jsonl"})
_TEST = re.compile(r"(?:^|[_-])test|squad_dev_2k")
_RIDGE = 1e-6


class NothingToCount(Exception):
    """A folder holds no text of any kind."""


@dataclass(frozen=True, slots=True)
class Error:
    """How far estimates are off, as shares of the true count, either way."""

    texts: int
    median: float
    p95: float
    within: float  # share of texts that are off by 5 % at most
    together: float  # of all texts of a kind as one, the worst kind's


def texts_in(folder: Path, seed: int) -> Mapping[str, Sequence[str]]:
    """Texts by kind. Raises NothingToCount."""
    files: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if file.suffix in _SUFFIXES and file.is_file() and not any(map(_TEST.search, parts)):
            top = parts[0]
            files.setdefault(f"{top} {file.suffix}", []).append(file)
    dice = random.Random(seed)
    kinds = {}
    for name, of in files.items():
        chosen = dice.sample(of, min(len(of), _FILES))
        pieces = [piece for file in chosen for piece in _pieces(file)]
        if len(pieces) >= _FEWEST:
            kinds[name] = dice.sample(pieces, min(len(pieces), MOST))
    if not kinds:
        raise NothingToCount(f"{folder} holds no text to count")
    return kinds


def _pieces(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as opened:
        text = opened.read(_READ * 8 if file.suffix == ".jsonl" else _READ)
    if file.suffix == ".jsonl":
        text = "\n".join(_strings_of_lines(text))
    for at in range(0, len(text) - SIZE, SIZE):
        yield text[at : at + SIZE]


def _strings_of_lines(text: str) -> Iterator[str]:
    for line in text.splitlines()[:-1]:
        try:
            yield from _strings(json.loads(line))
        except ValueError:
            return


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def measured(
    kinds: Mapping[str, Sequence[str]],
    count: Callable[[str], int],
    weights: Weights | None,
    family: Family = UNKNOWN,
) -> Error:
    """The error of these weights of what is quickly counted for a family; without, of weights
    fitted to all kinds but the one judged."""
    rows, truth, of = _table(kinds, count, family)
    estimates = np.zeros(len(truth))
    for kind in range(len(kinds)):
        mine = of == kind
        fitted = (
            _solved(rows[~mine], truth[~mine], of[~mine])
            if weights is None
            else np.array(astuple(weights))
        )
        estimates[mine] = rows[mine] @ fitted
    off = np.abs(estimates / truth - 1)
    together = [
        abs(estimates[of == kind].sum() / truth[of == kind].sum() - 1) for kind in range(len(kinds))
    ]
    return Error(
        texts=len(truth),
        median=float(statistics.median(off)),
        p95=float(np.quantile(off, 0.95)),
        within=float((off <= 0.05).mean()),
        together=float(max(together)),
    )


def fitted(
    kinds: Mapping[str, Sequence[str]], count: Callable[[str], int], family: Family = UNKNOWN
) -> Weights:
    """Weights fitted to all kinds, each counting alike."""
    return Weights(*(round(float(weight), 3) for weight in _solved(*_table(kinds, count, family))))


def splits_of(count: Callable[[str], int]) -> Iterator[int]:
    """Into how many tokens each of o200k's falls; what is no text by itself counts as one."""
    for text in written_out(O200K):
        yield 1 if text is None else count(text)


def _table(kinds: Mapping[str, Sequence[str]], count: Callable[[str], int], family: Family) -> Any:
    texts = [(text, kind) for kind, name in enumerate(kinds) for text in kinds[name]]
    rows = np.array([quick_counts(text, family) for text, _ in texts], dtype=float)
    truth = np.array([count(text) for text, _ in texts], dtype=float)
    return rows, truth, np.array([kind for _, kind in texts])


def _solved(rows: Any, truth: Any, of: Any) -> Any:
    """Least squares of the relative error."""
    weight = 1 / np.sqrt(np.bincount(of)[of])
    design = rows / truth[:, None] * weight[:, None]
    return np.linalg.solve(design.T @ design + _RIDGE * np.eye(design.shape[1]), design.T @ weight)
