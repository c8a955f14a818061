"""What counts as personal, what only looks like it, and what becomes of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from guardrails.config import PiiConfig
from guardrails.pii import PiiGuard, personal_data, redacted
from tests.effort import cpu_seconds

# Test numbers that card schemes, banks and authorities publish; none belongs to anybody.
FOUND = [
    ("email", "jane.doe+news@mail.example.co.uk"),
    ("email", "josé@exämple.example"),
    ("phone", "+49 30 901820"),
    ("phone", "(555) 123-4567"),
    ("phone", "207-555-0142"),
    ("phone", "001-204-555-0538x16944"),
    ("phone", "01632 960 118"),
    ("credit_card", "4111 1111 1111 1111"),
    ("credit_card", "5555-5555-5555-4444"),
    ("credit_card", "378282246310005"),
    ("credit_card", "3782 822463 10005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "nl91abna0417164300"),
    ("us_ssn", "536-22-1234"),
    ("de_tax_id", "86 095 742 719"),
    ("de_tax_id", "47036892816"),
    ("ip_address", "192.168.10.254"),
    ("ip_address", "2001:db8::8a2e:370:7334"),
]


@pytest.mark.parametrize(("label", "value"), FOUND)
@pytest.mark.parametrize("around", ["{}", "It is {}, I think.", "({})", "a: {}\nb"])
def test_finds_exactly_the_value(label: str, value: str, around: str) -> None:
    text = around.format(value)
    assert [(f.label, text[f.start : f.end]) for f in personal_data(text)] == [(label, value)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4111 1111 1111 1112", id="a card with a wrong check digit"),
        pytest.param("Order 9999999999999999 is late", id="sixteen digits of no issuer"),
        pytest.param("DE88 3704 0044 0532 0130 00", id="an account with wrong check digits"),
        pytest.param("666-22-1234 and 536-00-1234", id="areas and groups that are never given"),
        pytest.param("47036892817", id="a tax number with a wrong check digit"),
        pytest.param("on 2024-05-03, 03.05.2024 and 12/31/2023", id="dates"),
        pytest.param("from 9:30 to 17:45:00", id="times"),
        pytest.param("2019-2021, 1,000,000 and 3.14159265", id="years and numbers"),
        pytest.param("€12.50 for 3 x 250 g", id="prices"),
        pytest.param("part HT-4020-C, OW-45-RED, version 1.2.3", id="part numbers and versions"),
        pytest.param("std::vector<int> a::b ::", id="code"),
        pytest.param("@app.route and user@host", id="at-signs"),
        pytest.param("256.1.1.1", id="no address"),
        pytest.param("1 250 000 units, 12 000 to 15 000", id="grouped digits"),
    ],
)
def test_leaves_alone_what_only_looks_like_it(text: str) -> None:
    assert personal_data(text) == []


def test_a_card_next_to_a_mail_address_and_a_phone_number() -> None:
    text = "Card 4111111111111111, mail a@b.example, phone 020 7946 0958."
    assert redacted(text) == "Card [CREDIT_CARD], mail [EMAIL], phone [PHONE]."


def test_by_default_the_model_may_read_how_to_reach_somebody_but_not_what_money_hangs_on() -> None:
    text = "a@b.example, +49 30 901820, 10.1.2.3, 4111111111111111, DE89370400440532013000"
    verdict = PiiGuard(PiiConfig())(text)
    assert verdict.text == "a@b.example, +49 30 901820, 10.1.2.3, [CREDIT_CARD], [IBAN]"
    assert verdict.blocked_by is None
    assert len(verdict.findings) == 5


def test_a_trace_gets_nothing_personal() -> None:
    text = "a@b.example, +49 30 901820, 10.1.2.3, sk-proj-a1b2c3d4e5f6g7h8i9j0"
    assert redacted(text) == "[EMAIL], [PHONE], [IP_ADDRESS], [SECRET]"


def test_blocks_what_is_configured_to_block() -> None:
    guard = PiiGuard(PiiConfig(us_ssn="block", secret="block"))
    assert guard("My number is 536-22-1234").blocked_by == "pii.us_ssn"
    assert guard("Use AKIAIOSFODNN7EXAMPLE").blocked_by == "secrets.secret"
    assert guard("Nothing here").blocked_by is None


def test_a_text_with_nothing_in_it_comes_back_itself() -> None:
    text = "How long do I have to return a jacket?"
    assert PiiGuard(PiiConfig())(text).text is text


@pytest.mark.parametrize(
    "unit",
    ["1 ", "12-", "@", "a@", "::", "a:", "DE12", "+1((", "4111 ", "a@b.co 4111111111111111 ::1 "],
)
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        return cpu_seconds(lambda: personal_data(text))

    assert seconds(90_000) < 40 * max(seconds(9_000), 0.001)  # neither is remembered


SHAPED = {
    "CREDIT_CARD": "credit_card",
    "PHONE_NUMBER": "phone",
    "IBAN_CODE": "iban",
    "US_SSN": "us_ssn",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip_address",
}


def test_precision_and_recall_on_synthetic_sentences(shared_data: Path) -> None:
    """Presidio's 1,500 test sentences: an overlap with the same label counts."""
    file = shared_data / "pii_presidio" / "data" / "synth_dataset_v2.json"
    if not file.is_file():
        pytest.skip("the data set pii_presidio is not there")
    seen: Counter[str] = Counter()
    for sample in json.loads(file.read_text(encoding="utf-8")):
        wanted = [
            (SHAPED[s["entity_type"]], s["start_position"], s["end_position"])
            for s in sample["spans"]
            if s["entity_type"] in SHAPED
        ]
        for finding in personal_data(sample["full_text"]):
            hit = next(
                (w for w in wanted if w[0] == finding.label and w[1] < finding.end > w[1]), None
            )
            seen["right" if hit else "wrong"] += 1
            if hit:
                wanted.remove(hit)
        seen["missed"] += len(wanted)
    assert seen["right"] / (seen["right"] + seen["wrong"]) >= 0.98
    assert seen["right"] / (seen["right"] + seen["missed"]) >= 0.97
