"""Which text of a conversation is the document, and what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from context.long_documents.apart import SUMMARISE, apart, pointed, words_of

LONG = "It rained in the harbour all day.\n\n" * 40


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (LONG, SUMMARISE),
        (f"Summarise the following:\n\n{LONG}", "Summarise the following:"),
        (f"{LONG}\n\nWho owns the harbour?", "Who owns the harbour?"),
        (f"Please translate this into German.\n\n{LONG}", "Please translate this into German."),
        (f"What is it about?\n\n{LONG}\n\nIs it true?", "What is it about?\n\nIs it true?"),
        (f"In short?\n<document>\n{LONG}</document>", "In short?"),
        (f"# Summary\n\n{LONG}", SUMMARISE),
    ],
)
def test_the_task_is_a_paragraph_that_reads_like_a_request(text: str, task: str) -> None:
    found = apart([user(text)])
    assert found
    assert found.task == task
    assert "It rained" in found.document


def test_what_is_no_task_is_document() -> None:
    found = apart([user(f"Who?\n\n{LONG}\n\nThe end.")])
    assert found
    assert found.document.strip().endswith("The end.")
    assert found.document.strip().startswith("It rained")


def test_the_document_may_be_a_part_or_an_earlier_message() -> None:
    parts = [{"type": "text", "text": "Who owns it?"}, {"type": "text", "text": LONG}]
    beside = apart([user(parts)])
    earlier = apart([user(LONG), {"role": "assistant", "content": "Yes?"}, user("Who owns it?")])
    assert beside
    assert earlier
    assert beside.task == earlier.task == "Who owns it?"
    assert beside.document == earlier.document == LONG


def test_several_long_texts_are_one_document_and_the_shorter_one_is_the_task() -> None:
    one, other, task = LONG * 2, LONG * 3, "Compare the two."
    parts = [{"type": "text", "text": text} for text in (one, other, task)]
    parts.insert(1, {"type": "image_url"})
    found = apart([user(parts)])
    assert found
    assert found.task == task
    assert found.document == f"{one}\n\n{other}"
    (changed,) = found.with_material("NOTES")
    said = [part.get("text") for part in changed["content"]]
    assert said == [None, "NOTES", task]


def test_a_long_text_that_comes_later_joins_an_earlier_one() -> None:
    later = f"Which of them is later?\n\n{LONG * 5}"
    found = apart([user(LONG * 9), {"role": "assistant", "content": "Yes?"}, user(later)])
    assert found
    assert found.task == "Which of them is later?"
    assert found.document.count("rained") == 40 * 14
    first, _, last = found.with_material("NOTES")
    assert "rained" not in str(first)
    assert "NOTES" in str(last)


def test_long_instructions_beside_one_text_stay_the_task() -> None:
    task = "Say what the weather was. " * 100
    parts = [{"type": "text", "text": text} for text in (LONG * 9, task)]
    found = apart([user(parts)])
    assert found
    assert found.task == task.strip()


def test_material_stands_where_the_document_was() -> None:
    found = apart([{"role": "system", "content": "Be brief."}, user(f"Who?\n\n{LONG}")])
    assert found
    changed = found.with_material("NOTES")
    assert changed[0] == {"role": "system", "content": "Be brief."}
    assert changed[1] == user("Who?\n\nNOTES")


def test_tags_around_the_document_stay_around_its_material() -> None:
    found = apart([user(f"In short?\n<text>{LONG}</text>")])
    assert found
    assert found.document == LONG
    assert found.with_material("NOTES")[0] == user("In short?\n<text>\n\nNOTES\n\n</text>")


def test_a_part_keeps_its_other_fields() -> None:
    parts = [{"type": "text", "text": LONG, "cache_control": 1}, {"type": "image_url"}]
    found = apart([user(parts)])
    assert found
    content = found.with_material("NOTES")[0]["content"]
    assert content == [{"type": "text", "text": "NOTES", "cache_control": 1}, {"type": "image_url"}]


def test_without_a_user_there_is_no_document() -> None:
    assert apart([{"role": "system", "content": LONG}]) is None


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Who owns the harbour?", True),
        ("when does it open", True),
        ("Summarise the text.", False),
        ("What are the main points?", False),
        ("How many ships are there?", False),
        ("List all ships", False),
        ("Translate it.", False),
        ("Wann öffnet der Hafen?", True),
    ],
)
def test_a_question_is_pointed_where_some_place_may_answer_it(task: str, expected: bool) -> None:
    assert pointed(task) is expected


def test_a_number_of_words_is_read_from_the_task() -> None:
    assert words_of("Summarise it in about 80 words.") == 80
    assert words_of("Summarise it.") == 150
