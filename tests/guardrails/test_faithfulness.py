"""How far claims are backed by the words of their sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardrails.faithfulness import SUPPORTED, Evidence, faithfulness

PASSAGES = {
    1: "Customers in the EU may return goods within 30 days of delivery. The refund is paid to the "
    "original card within five working days.",
    2: "Gift cards are never refunded. Article HT-4020-C costs 1,250 euros.",
}
EVIDENCE = Evidence(PASSAGES)


@pytest.mark.parametrize(
    ("claim", "number"),
    [
        ("Customers in the EU may return goods within 30 days of delivery.", 1),
        ("EU customers can return goods within 30 days [1].", 1),
        ("The refund is paid within 5 working days.", 1),
        ("Gift cards are not refunded.", 2),
        ("HT-4020-C costs 1250 euros.", 2),
    ],
)
def test_what_a_passage_says_is_supported(claim: str, number: int) -> None:
    assert EVIDENCE.support(claim, number) >= SUPPORTED


@pytest.mark.parametrize(
    ("claim", "number"),
    [
        pytest.param("Every jacket comes with a lifetime guarantee.", 1, id="nothing of it"),
        pytest.param("Customers in the EU may return goods within 60 days.", 1, id="a number"),
        pytest.param("Article HT-4021-C costs 1,250 euros.", 2, id="a code"),
        pytest.param("Gift cards are refunded.", 2, id="the opposite"),
        pytest.param("Customers in the EU may return goods.", 2, id="another passage"),
        pytest.param("Customers in the EU may return goods.", 7, id="no such passage"),
    ],
)
def test_what_a_passage_does_not_say_is_not(claim: str, number: int) -> None:
    assert EVIDENCE.support(claim, number) < SUPPORTED


def test_names_the_passage_that_supports_a_claim_best() -> None:
    best = EVIDENCE.best("Gift cards are never refunded.")
    assert best is not None
    assert best[0] == 2
    assert best[1] >= SUPPORTED
    assert Evidence({}).best("Anything") is None


def test_two_passages_may_support_a_claim_together() -> None:
    claim = "Goods may be returned within 30 days of delivery, and gift cards are never refunded."
    assert EVIDENCE.together(claim, (1, 2)) > max(EVIDENCE.support(claim, n) for n in (1, 2))


def test_is_the_share_of_claims_that_their_sources_support() -> None:
    claims = [
        ("Customers in the EU may return goods within 30 days.", (1,)),
        ("Customers in the EU may return goods within 90 days.", (1,)),
        ("Gift cards are never refunded.", ()),
        ("Gift cards are never refunded.", (2,)),
    ]
    assert faithfulness(claims, EVIDENCE) == 0.5


def test_is_unknown_where_nothing_is_claimed() -> None:
    assert faithfulness([], EVIDENCE) is None


def test_tells_supported_claims_from_others_on_wikipedia(shared_data: Path) -> None:
    """Every third of WiCE's 358 test claims, with their cited pages: AUROC."""
    file = shared_data / "wice" / "entailment_retrieval" / "claim" / "test.jsonl"
    if not file.is_file():
        pytest.skip("the data set wice is not there")
    supported: list[float] = []
    others: list[float] = []
    for line in file.read_text(encoding="utf-8").splitlines()[::3]:
        sample = json.loads(line)
        score = Evidence({1: "\n".join(sample["evidence"])}).support(sample["claim"], 1)
        (supported if sample["label"] == "supported" else others).append(score)
    wins = sum((a > b) + (a == b) / 2 for a in supported for b in others)
    assert wins / (len(supported) * len(others)) >= 0.7
