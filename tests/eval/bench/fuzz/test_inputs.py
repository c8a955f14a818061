from __future__ import annotations

from pathlib import Path

import pytest

from eval.bench.fuzz.inputs import Inputs
from eval.bench.fuzz.made import documents
from retrieval.parsing.formats import FORMATS, parse


@pytest.mark.parametrize("name", sorted(documents()))
def test_what_is_built_in_can_be_read(name: str) -> None:
    assert parse(documents()[name], name, name).text


def test_something_is_built_in_for_every_format() -> None:
    formats = {"code" if f.name.endswith(" code") else f.name for f in FORMATS.values()}
    pictures = {name for name in formats if name.endswith(" image")}
    assert set(Inputs([], 1).formats) == formats - pictures


def test_an_input_is_known_by_its_number() -> None:
    first, second, other = Inputs([], 1), Inputs([], 1), Inputs([], 2)
    numbers = range(28)
    assert [first[n] for n in numbers] == [second[n] for n in reversed(numbers)][::-1]
    assert [first[n].data for n in numbers] != [other[n].data for n in numbers]
    assert first.digest == second.digest != other.digest


def test_documents_of_a_folder_are_started_from_too(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("A text of mine.")
    (tmp_path / "other.xyz").write_text("Of no format.")
    names = [name for name, _ in Inputs([tmp_path], 1).documents()]
    assert "mine.txt" in names
    assert "other.xyz" not in names
