"""Looks an adapter's files over, before any engine does. ★ Read this first.

Its header and its configuration tell nearly everything: no number of its weights is read, unless
that is wished, and nothing is run. Where the files come from is not known here.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.adapters.content import CONFIG, WEIGHTS, complete, digest, opened
from gateway.adapters.failures import BadAdapter
from gateway.adapters.types import Facts
from gateway.adapters.validation.base import Base
from gateway.adapters.validation.fit import fitting
from gateway.adapters.validation.header import Tensor, tensors
from gateway.adapters.validation.matrices import Weights, weights
from gateway.adapters.validation.settings import Settings, settings
from gateway.adapters.validation.unsupported import refuse_unsupported

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's --max-lora-rank may be."""


def checked(
    folder: Path,
    base: Base | None = None,
    *,
    max_rank: int = RANKS[-1],
    finite: bool = False,
    known_digest: str | None = None,
) -> Facts:
    """What the adapter in a folder is, if engines that serve `base` can serve it.

    `max_rank` is what they are started with, `finite` has each number looked at, too, and
    `known_digest` is what its content was found to be, if it was. Raises BadAdapter."""
    complete(_names(folder))
    with opened(folder, CONFIG) as file:
        written = settings(file)
    refuse_unsupported(written)
    _room(written, max_rank)
    with opened(folder, WEIGHTS) as file:
        size = os.fstat(file.fileno()).st_size
        found = tensors(file, size)
        sorted_out = weights(found)
        warnings = fitting(written, sorted_out, base)
        if finite:
            _finite(file.fileno(), found)
    return _facts(written, sorted_out, size, known_digest or digest(folder), warnings)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise BadAdapter("not_found", f"its folder cannot be read: {error.strerror}") from error


def _room(written: Settings, max_rank: int) -> None:
    rank = written.largest_rank
    if rank <= max_rank:
        return
    enough = next((each for each in RANKS if each >= rank), None)
    remedy = f"start them with --max-lora-rank {enough}" if enough else "no engine takes so many"
    raise BadAdapter("incompatible", f"its rank is {rank}, engines take {max_rank}: {remedy}")


def _finite(file: int, found: list[Tensor]) -> None:
    # numpy is not loaded for those who do not ask.
    from gateway.adapters.validation.numbers import refuse_infinite

    refuse_infinite(file, found)


def _facts(
    written: Settings, found: Weights, size: int, content: str, warnings: list[str]
) -> Facts:
    return Facts(
        base=written.base_model_name_or_path or "",
        rank=written.largest_rank,
        alpha=written.lora_alpha,
        targets=tuple(found.targets),
        dtype=max(found.types, key=found.types.__getitem__),
        size=size,
        digest=content,
        warnings=tuple(warnings),
    )
