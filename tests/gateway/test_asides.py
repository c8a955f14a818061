"""What comes back from a helping model, as text, and who is asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.asides import one_line
from tests.gateway.asking import completion, helped, span

EXPANDING = """
[retrieval.expansion]
kind = "multi_query"
model = "helper/small"
"""


def test_a_line_has_nothing_hidden_and_an_end() -> None:
    assert one_line(" a\n\tb\u200b\u202ec\x00d ", 100) == "a b c d"
    assert one_line("word " * 100, 12) == "word word wo"


@pytest.mark.anyio
async def test_what_must_not_leave_a_region_is_not_told_to_a_model_elsewhere(
    tmp_path: Path,
) -> None:
    more = EXPANDING + '[routing.regions]\ndefault = "EU"\n[models.here]\nuse = ["extractive"]\n'
    async with helped(tmp_path, more, completion("sent back goods")) as world:
        _, spans = await world.told("How are goods sent back?", model="here")
        note = "helper/small does not run in eu: the question is searched as it was asked."
        assert span(spans, "expand").attributes["notes"] == [note]
        assert world.asked() == []


@pytest.mark.anyio
async def test_the_region_of_a_rule_binds_what_is_asked_once_it_is_known(tmp_path: Path) -> None:
    rule = '[[routing.rules]]\nname = "r"\nuse = ["extractive"]\n'
    asked = []
    for region in ("", 'region = "EU"\n'):
        folder = tmp_path / (region[:1] or "anywhere")
        folder.mkdir()
        async with helped(folder, EXPANDING + rule + region, completion("Otherwise?")) as helping:
            done, _ = await helping.told("May goods be sent back?", model="auto")
            assert done.model == "extractive/extractive"
            asked.append(len(helping.asked()))
    assert asked == [1, 0]
