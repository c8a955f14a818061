from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.sources.files import Files
from retrieval.sources.types import Item, Listing
from tests.retrieval.sources.test_files import put


def items(folder: Path) -> dict[str, Item]:
    return {item.source: item for item in Files(folder).items(Listing())}


def test_a_file_beside_a_document_describes_it(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "b.md")
    (tmp_path / "a.md.meta.toml").write_text('groups = ["hr"]\nvalid_from = 2026-03-31\n')
    (tmp_path / "b.md.meta.json").write_text('{"title": "B", "year": 2026}')
    found = items(tmp_path)
    assert found["a.md"].meta == {"groups": ["hr"], "valid_from": 1774915200.0}
    assert found["b.md"].meta == {"title": "B", "year": 2026}


def test_it_is_no_document_itself(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (tmp_path / "a.md.meta.json").write_text("{}")
    (tmp_path / "_meta.toml").write_text("")
    listing = Listing()
    assert [item.source for item in Files(tmp_path).items(listing)] == ["a.md"]
    assert {reason for _, reason in listing.skipped} == {"metadata of other files"}


def test_what_is_nearer_goes_before_what_is_further(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "deep/b.md", "deep/c.md")
    (tmp_path / "_meta.toml").write_text('region = "EU"\ngroups = ["all"]')
    (tmp_path / "deep" / "_meta.toml").write_text('groups = ["deep"]')
    (tmp_path / "deep" / "c.md.meta.toml").write_text('groups = ["c"]')
    found = items(tmp_path)
    assert found["a.md"].meta == {"region": "EU", "groups": ["all"]}
    assert found["deep/b.md"].meta == {"region": "EU", "groups": ["deep"]}
    assert found["deep/c.md"].meta == {"region": "EU", "groups": ["c"]}


def test_it_holds_for_a_file_that_is_itself_named(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (tmp_path / "_meta.toml").write_text('groups = ["hr"]')
    assert items(tmp_path / "a.md")["a.md"].meta == {"groups": ["hr"]}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.md.meta.toml", "groups = [", "a.md.meta.toml is wrong: "),
        ("a.md.meta.toml", 'valid_from = "soon"', "a.md.meta.toml is wrong: valid_from is no date"),
        ("a.md.meta.json", "[]", "a.md.meta.json is wrong: it is no object"),
        ("a.md.meta.json", "[" * 50_000, "a.md.meta.json is wrong: "),
        ("a.md.meta.json", "", "a.md.meta.json is wrong: "),
        ("a.md.meta.json", " " * 70_000, "a.md.meta.json is too large"),
        ("_meta.toml", "language = 3", "_meta.toml is wrong: language is no code"),
    ],
)
def test_a_document_is_not_read_where_its_metadata_cannot_be(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    """Whose groups are not known must not be shown to everybody."""
    put(tmp_path, "a.md")
    (tmp_path / name).write_text(text)
    with pytest.raises(Unreadable) as refused:
        items(tmp_path)["a.md"].read()
    assert refused.value.reason.startswith(reason)


def test_two_that_may_contradict_each_other_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (tmp_path / "a.md.meta.toml").write_text("")
    (tmp_path / "a.md.meta.json").write_text("{}")
    with pytest.raises(Unreadable, match="described twice"):
        items(tmp_path)["a.md"].read()


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "docs/a.md")
    (tmp_path / "secret.toml").write_text('title = "Secret"')
    (tmp_path / "docs" / "a.md.meta.toml").symlink_to(tmp_path / "secret.toml")
    with pytest.raises(Unreadable, match="a link that leads out of the folder"):
        items(tmp_path / "docs")["a.md"].read()
