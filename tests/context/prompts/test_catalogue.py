"""Which version of a prompt is in use, whose it is, and what holds of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from context.prompts.catalogue import all_cases, opened
from context.prompts.template import BadPrompt

PACKAGED = opened()


def written(folder: Path, name: str, text: str = "Say nothing.", head: str = "") -> None:
    """A prompt of the operator's."""
    (folder / name).write_text(f'+++\nabout = "x"\nlanguage = "en"\n{head}+++\n{text}\n')


@pytest.mark.parametrize(
    "case", all_cases(PACKAGED), ids=lambda case: f"{case.prompt}: {case.name}"
)
def test_every_version_holds_to_its_cases(case: object) -> None:
    from context.prompts.cases import Case

    assert isinstance(case, Case)
    versions = PACKAGED.versions(case.prompt)
    assert [each for version in versions for each in case.failures(version)] == []


def test_every_prompt_has_cases() -> None:
    assert {case.prompt for case in all_cases(PACKAGED)} == set(PACKAGED.names())


def test_the_latest_version_is_used_unless_one_is_pinned() -> None:
    assert PACKAGED.used("strict").id == "strict@v2"
    pinned = opened(pinned={"strict": "v1"})
    assert pinned.used("strict").id == "strict@v1"
    assert pinned.named("strict").id == "strict@v1"
    assert pinned.named("strict@v2").id == "strict@v2"
    assert pinned.digest != PACKAGED.digest


def test_a_file_of_the_operators_adds_a_version_or_stands_in_for_one(tmp_path: Path) -> None:
    written(tmp_path, "open.v10.txt")
    written(tmp_path, "hyde.v1.txt")
    written(tmp_path, "mine.v1.txt")
    (tmp_path / "README.md").write_text("no prompt")
    own = opened(tmp_path)
    assert [each.id for each in own.versions("open")] == ["open@v1", "open@v2", "open@v10"]
    assert own.used("open").text == own.used("hyde").text == "Say nothing."
    assert not own.used("hyde").packaged
    assert "mine" in own.names()
    assert own.digest != PACKAGED.digest


@pytest.mark.parametrize("file", ["strict.v2.txt", "strict.v9.txt"])
def test_a_version_takes_what_the_others_take(tmp_path: Path, file: str) -> None:
    written(tmp_path, file)
    with pytest.raises(BadPrompt, match="not_in_documents"):
        opened(tmp_path)


@pytest.mark.parametrize("pinned", [{"strict": "v9"}, {"nobody": "v1"}])
def test_what_is_pinned_has_to_be_there(pinned: dict[str, str]) -> None:
    with pytest.raises(BadPrompt, match="There is no"):
        opened(pinned=pinned)


def test_a_folder_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadPrompt, match="no folder"):
        opened(tmp_path / "away")


def test_an_operators_version_is_held_to_the_packaged_cases(tmp_path: Path) -> None:
    written(tmp_path, "hyde.v2.txt")
    own = opened(tmp_path)
    failures = [
        failure
        for case in all_cases(own, tmp_path)
        for template in own.versions(case.prompt)
        for failure in case.failures(template)
    ]
    assert failures
    assert all(each.startswith("hyde@v2: ") for each in failures)


@pytest.mark.parametrize(
    ("written_cases", "why"),
    [
        ("x", "not TOML"),
        ("x = 1", r"\[\[case\]\]"),
        ("[[case]]\ncontains = []", "no `name`"),
        ('[[case]]\nname = "x"\nmore = 1', "no such key"),
        ('[[case]]\nname = "x"\ncontains = "y"', "of another kind"),
        ('[[case]]\nname = "x"\ncontains = [1]', "something else than texts"),
        ('[[case]]\nname = "x"\n[case.variables]\na = 3', "something else than texts"),
        ("case = [1]", r"\[\[case\]\]"),
        (b"\xff", "cannot be read"),
    ],
)
def test_cases_that_cannot_be_read_say_why(
    tmp_path: Path, written_cases: str | bytes, why: str
) -> None:
    written(tmp_path, "mine.v1.txt")
    (tmp_path / "mine.cases.toml").write_bytes(
        written_cases if isinstance(written_cases, bytes) else written_cases.encode()
    )
    with pytest.raises(BadPrompt, match=why):
        all_cases(opened(tmp_path), tmp_path)
