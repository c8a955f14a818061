from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from retrieval.sources.targets import absolute, source
from retrieval.sources.types import BadSource, Item, Listing
from tests.retrieval.sources.test_archives import packed
from tests.retrieval.sources.test_files import put
from tests.retrieval.sources.web import Site, here


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


def given(data: bytes, name: str = "report.md") -> list[Item]:
    return list(source(["-"], name=name, stdin=io.BytesIO(data)).items(Listing()))


def test_standard_input_is_known_by_the_name_that_is_given() -> None:
    (found,) = given(b"Hello.")
    assert (found.source, found.name, found.read()) == ("report.md", "report.md", b"Hello.")


def test_standard_input_may_be_an_archive(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.tar.gz", [("a.md", b"A")])
    (found,) = given(path.read_bytes(), "docs.tar.gz")
    assert (found.source, found.read()) == ("docs.tar.gz/a.md", b"A")


@pytest.mark.parametrize(
    ("targets", "name", "reason"),
    [
        (["-"], "", "needs a name: --name report.md"),
        (["-", "-"], "a.md", "Standard input can be read once"),
        (["a.md"], "a.md", "which is not read: add `-`"),
        (["-"], "../a.md", "is no name for a document: its name leads out"),
        (["file:///etc/passwd"], "", "what can be read is http, https and s3"),
        (["ftp://host/a.md"], "", "what can be read is http, https and s3"),
        (["http://[/"], "", "it is no URL"),
        (["http://a b/x"], "", "it is no URL"),
        (["ftp://me:secret@host/a"], "", "ftp://host/a: it leads to no page"),
        (["http://me:sec/ret@host/a"], "", "http://host/a: it is no URL;"),
    ],
)
def test_a_target_that_cannot_be_is_refused_at_once(
    targets: list[str], name: str, reason: str
) -> None:
    with pytest.raises(BadSource) as refused:
        source(targets, name=name)
    assert reason in str(refused.value)


def test_targets_of_all_kinds_are_one_source(tmp_path: Path, site: Site) -> None:
    put(tmp_path, "a.md")
    page = site.put("/b.md", "B")
    mixed = source([str(tmp_path), page, "-"], here(), name="c.md", stdin=io.BytesIO(b"C"))
    assert [item.source for item in mixed.items(Listing())] == ["a.md", page, "c.md"]


def test_the_same_page_twice_is_one(site: Site) -> None:
    page = site.put("/b.md", "B")
    assert len(list(source([page, page + "#part"], here()).items(Listing()))) == 1


def test_a_site_is_read_by_its_sitemap(site: Site) -> None:
    page = site.put("/b.md", "B")
    url = site.put("/sitemap.xml", f"<urlset><url><loc>{page}</loc></url></urlset>")
    assert [item.source for item in source([url], here()).items(Listing())] == [page]


def test_targets_for_another_process_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "docs/a.md")
    monkeypatch.chdir(tmp_path)
    moved = absolute(["docs", "docs/*.md", "-", "s3://docs/a", "https://host/a"])
    monkeypatch.chdir("/")
    assert named(*moved[:2]) == ["a.md"]
    assert moved[2:] == ["-", "s3://docs/a", "https://host/a"]
