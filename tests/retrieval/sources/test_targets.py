from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrieval.sources.targets import source
from retrieval.sources.types import BadSource, Listing
from tests.retrieval.sources.test_files import put


def named(*targets: Path | str) -> list[str]:
    found = source([str(target) for target in targets]).items(Listing())
    return [item.source for item in found]


def test_a_pattern_is_named_as_the_folder_above_it_would_be(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "b.txt", "deep/c.md", "deep/er/d.md")
    assert named(tmp_path / "*.md") == ["a.md"]
    assert named(tmp_path / "**" / "*.md") == ["a.md", "deep/c.md", "deep/er/d.md"]
    assert named(tmp_path / "**") == ["a.md", "b.txt", "deep/c.md", "deep/er/d.md"]
    assert named(tmp_path / "de*") == ["deep/c.md", "deep/er/d.md"]


def test_a_pattern_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="No such file or folder"):
        named(tmp_path / "*.md")


def test_a_name_with_the_signs_of_a_pattern_is_a_name(tmp_path: Path) -> None:
    put(tmp_path, "a[1].md")
    assert named(tmp_path / "a[1].md") == ["a[1].md"]


def test_two_files_of_one_name_are_refused_by_both_names(tmp_path: Path) -> None:
    put(tmp_path, "one/a.md", "two/a.md")
    with pytest.raises(BadSource) as refused:
        named(tmp_path / "one", tmp_path / "two")
    assert str(tmp_path / "one" / "a.md") in str(refused.value)
    assert str(tmp_path / "two" / "a.md") in str(refused.value)


def test_the_same_file_twice_is_one(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (tmp_path / "again").symlink_to(tmp_path)
    assert named(tmp_path, tmp_path, tmp_path / "a.md", tmp_path / "again") == ["a.md"]


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "docs/a.md", "docs/b.md")
    monkeypatch.chdir(tmp_path / "docs")
    assert named(".") == named("*.md") == named(f"..{os.sep}docs") == ["a.md", "b.md"]
