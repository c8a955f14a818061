"""What the packaged models say, and what is done with it."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from cache.config import SemanticConfig
from cache.types import Candidate, Entry
from cache.verification.calibration import BadCalibration, Calibration
from cache.verification.candidates import looser, same_answer
from cache.verification.verifier import TrainedVerifier
from eval.swaps import Swaps

pytestmark = pytest.mark.anyio
GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


def entry(question: str, answer: str = "", sources: tuple[str, ...] = ()) -> Entry:
    return Entry(b"", question, sources, 0.0, answer)


def candidate(question: str, cosine: float = 0.95, answer: str = "a") -> Candidate:
    return Candidate(question, entry(question, answer), cosine)


@pytest.fixture
async def verifier() -> AsyncIterator[TrainedVerifier]:
    made = TrainedVerifier(SemanticConfig(max_error_rate=0.05))
    yield made
    await made.aclose()


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["asked"][:30])
async def test_the_packaged_models_say_what_was_recorded(
    case: dict[str, str], verifier: TrainedVerifier
) -> None:
    """Their integers round alike on every processor."""
    score = verifier.score(case["asked"], [candidate(case["known"], float(case["cosine"]))])
    assert score == pytest.approx(float(case["score"]), abs=0.05)


async def test_the_same_in_other_words_is_served(verifier: TrainedVerifier) -> None:
    known = candidate("what is the capital of France?", 0.93)
    verdict = await verifier.chosen("capital of france", [known])
    assert verdict.chosen is known
    assert verdict.probability > 0.9
    assert verdict.judged[0].reasons == ()


async def test_what_a_rule_sees_is_not_served_however_near(verifier: TrainedVerifier) -> None:
    near = candidate("how do i lock my account", 0.999)
    verdict = await verifier.chosen("how do i unlock my account", [near])
    assert verdict.chosen is None
    assert verdict.judged[0].reasons == ("opposite: unlock / lock",)
    assert verdict.against == "opposite"


async def test_the_next_one_is_judged_where_a_rule_speaks_against_the_nearest(
    verifier: TrainedVerifier,
) -> None:
    other = candidate("what is the capital of Spain?", 0.95)
    right = candidate("what is the capital of France?", 0.93, "b")
    verdict = await verifier.chosen("capital of france", [other, right])
    assert verdict.chosen is right
    assert [bool(each.reasons) for each in verdict.judged] == [True, False]


async def test_an_exchange_is_never_served(verifier: TrainedVerifier) -> None:
    questions = [
        "how many miles are 5 kilometers", "why do people like monday",
        "what is the highest mountain in india", "how can i buy euros for 20 dollars",
    ]  # fmt: skip
    for question in questions:
        for swap in Swaps([], 3).of(question):
            assert verifier.verdict(swap.text, [candidate(question, 0.99)]).chosen is None


async def test_another_answer_close_by_lowers_the_score(verifier: TrainedVerifier) -> None:
    best = candidate("how to cancel my order", 0.9, "a")
    fellow = candidate("how can i cancel the order", 0.88, "a")
    rival = candidate("how to change my order", 0.88, "b")
    asked = "cancelling an order"
    assert verifier.score(asked, [best, fellow]) > verifier.score(asked, [best, rival])


async def test_without_candidates_there_is_nothing(verifier: TrainedVerifier) -> None:
    verdict = await verifier.chosen("anything", [])
    assert (verdict.chosen, verdict.judged, verdict.against) == (None, (), "")


async def test_a_greater_rate_serves_no_less() -> None:
    strict, loose = (TrainedVerifier(SemanticConfig(max_error_rate=r)) for r in (0.01, 0.05))
    assert loose.least() <= strict.least() < math.inf


async def test_ones_own_calibration_stands_in_for_the_packaged_one(tmp_path: Path) -> None:
    own = Calibration.of([5.0 - n / 100 for n in range(400)], [True] * 400)
    (tmp_path / "own.json").write_text(own.stored())
    verifier = TrainedVerifier(SemanticConfig(calibration=tmp_path / "own.json"))
    assert verifier.least() == pytest.approx(1.01, abs=0.02)


async def test_a_calibration_that_is_none_is_told(tmp_path: Path) -> None:
    verifier = TrainedVerifier(SemanticConfig(calibration=tmp_path / "missing.json"))
    with pytest.raises(BadCalibration, match=r"missing\.json"):
        verifier.least()


async def test_where_no_score_keeps_the_promise_nothing_is_served(tmp_path: Path) -> None:
    few = Calibration.of([5.0] * 20, [True] * 20)
    (tmp_path / "few.json").write_text(few.stored())
    verifier = TrainedVerifier(SemanticConfig(calibration=tmp_path / "few.json"))
    verdict = verifier.verdict("capital of france", [candidate("what is the capital of France?")])
    assert verdict.chosen is None
    assert "max_error_rate" in verdict.judged[0].reasons[0]


async def test_a_looser_choice_still_minds_the_rules() -> None:
    near, next_one = candidate("fly to paris on monday", 0.99), candidate("a flight to rome", 0.9)
    assert looser("flight to rome please", [near, next_one]) is next_one
    assert looser("flight to london", [near, next_one]) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (entry("", "x"), entry("", "x"), True),
        (entry("", "x"), entry("", "y"), False),
        (entry("", "x", ("d@1",)), entry("", "y", ("d@1",)), True),
        (entry("", "x", ("d@1",)), entry("", "y", ("d@2",)), False),
        (entry(""), entry(""), False),
    ],
)
def test_entries_say_the_same_by_answer_or_by_sources(one: Entry, other: Entry, same: bool) -> None:
    assert same_answer(one, other) is same


async def test_a_row_is_finite_for_any_words(verifier: TrainedVerifier) -> None:
    for text in ("", "?", "a" * 9000, "１２", "שלום", "\x00"):
        score = verifier.score(text, [candidate(text)])
        assert np.isfinite(score)
