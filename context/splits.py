"""Into how many of a family's tokens each token of o200k falls: what a rare word costs there.

One byte a token, made from the families' own tokenizers by `moorline eval context --splits`; what
they were is in packaged/CARD.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGED, SUFFIX = Path(__file__).parent / "packaged", ".splits"
_MOST = 255


@cache
def splits(family: str) -> bytes:
    """The packaged table of a family, by o200k's number of a token."""
    return zlib.decompress((PACKAGED / f"{family}{SUFFIX}").read_bytes())


def packed(table: Iterable[int]) -> bytes:
    """A table as it is packaged."""
    return zlib.compress(bytes(min(many, _MOST) for many in table), 9)
