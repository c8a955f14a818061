"""Whatever is packed fits the window."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import retrieval.rerankers.packaged
from context.tokens import counter
from eval.packed import case, wrong

PACKAGED = Path(str(retrieval.rerankers.packaged.__path__[0])) / "tokenizer.json"


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_prompt_crosses_its_window_and_the_counts_are_the_tokenizers_own(seed: int) -> None:
    assert wrong(case(seed, [counter("", PACKAGED)])) is None
