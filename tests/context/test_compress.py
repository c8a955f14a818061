"""A passage cut to what bears on the question."""

from __future__ import annotations

from context.compress import compressed
from retrieval.types import Hit, Passage, Span


def cut(
    text: str, room: int, question: str = "How long is the warranty?", **more: object
) -> str | None:
    passage = Passage("p", "a.md", "v", 0, "Pumps", (), text, 0, len(text))
    hit = Hit(passage, 1.0, answers=more.get("answers", ()))  # type: ignore[arg-type]
    return compressed(hit, question, room, lambda text: len(text.split()))


def test_sentences_that_bear_on_the_question_are_kept_whole_and_in_order() -> None:
    text = "Pumps are blue. The warranty is two years. Seals wear. A warranty needs a receipt."
    assert cut(text, 17) == "… The warranty is two years. … A warranty needs a receipt."


def test_nothing_is_left_where_nothing_bears_on_it() -> None:
    assert cut("Pumps are blue. Seals wear.", 100) is None
    assert cut("The warranty is two years.", 3) is None


def test_a_table_is_kept_or_left_out_whole() -> None:
    table = "| part | warranty |\n| --- | --- |\n| pump | two years |\n| seal | none |"
    text = f"Pumps are blue.\n\n{table}\n\nSeals wear."
    kept = cut(text, 26)
    assert kept == f"…\n{table}\n…"
    assert cut(text, 12) is None


def test_code_is_kept_or_left_out_whole() -> None:
    code = "```python\nwarranty = 2\n\nprint('years')\n```"
    assert cut(f"Pumps are blue.\n\n{code}\n\nSeals wear.", 10) == f"…\n{code}\n…"


def test_what_the_reader_took_for_the_answer_comes_first() -> None:
    text = "The warranty, a long warranty, is a warranty. It ends after two years. Seals wear."
    answer = Span(text.index("two years"), text.index("two years") + 9, 3.0)
    assert cut(text, 10, answers=(answer,)) == "… It ends after two years. …"


def test_the_sentence_after_is_kept_where_there_is_room() -> None:
    text = "Pumps are blue. The warranty is two years. It may be extended. Seals wear."
    assert cut(text, 20) == "… The warranty is two years. It may be extended. …"
