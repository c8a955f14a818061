"""Which question may be learned from."""

from __future__ import annotations

from pathlib import Path

from eval.pairs import clinc, quora


def test_no_question_of_the_test_part_is_learned_from(shared_data: Path) -> None:
    parts = quora(shared_data)
    tested = {text for pair in parts["test"] for text in (pair.asked, pair.known)}
    learned = [pair for part in ("pair", "forest", "calibration") for pair in parts[part]]
    assert not [pair for pair in learned if {pair.asked, pair.known} & tested]
    assert len(parts["test"]) == 16_171
    assert len(learned) > 50_000


def test_the_parts_share_no_question(shared_data: Path) -> None:
    parts = quora(shared_data)
    texts = [
        {text for pair in parts[part] for text in (pair.asked, pair.known)}
        for part in ("pair", "forest", "calibration")
    ]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]


def test_every_question_out_of_scope_is_its_own_intent(shared_data: Path) -> None:
    questions = clinc(shared_data, "test")
    strange = [each.intent for each in questions if each.intent.startswith("oos")]
    assert (len(questions), len(strange), len(set(strange))) == (5500, 1000, 1000)
