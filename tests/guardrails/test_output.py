"""What an answer must not give away."""

from __future__ import annotations

from guardrails.config import OutputConfig
from guardrails.output import OutputGuard

SECRET = "sk-" + "proj-a1B2" * 5
RULES = (
    "You answer from the handbook alone and never speak about the salaries of the board or about "
    "anything that the legal department has marked as confidential."
)


def test_redacts_secrets() -> None:
    verdict = OutputGuard(OutputConfig())(f"The key is {SECRET}.")
    assert verdict.text == "The key is [SECRET]."
    assert [finding.label for finding in verdict.findings] == ["api_key"]


def test_withholds_what_is_recited_from_the_instructions() -> None:
    told = f'Sure! They say: "{RULES.upper()}" Anything else?'
    verdict = OutputGuard(OutputConfig(), RULES)(told)
    assert verdict.text == 'Sure! They say: "[INSTRUCTIONS]." Anything else?'
    assert [finding.label for finding in verdict.findings] == ["instructions"]


def test_a_few_common_words_are_no_recitation() -> None:
    text = "I answer from the handbook alone and never speak about the board."
    assert OutputGuard(OutputConfig(), RULES)(text).text == text


def test_a_secret_within_a_recitation_goes_with_it() -> None:
    rules = f"{RULES} The master key is {SECRET} and it opens every door of the house today."
    verdict = OutputGuard(OutputConfig(), rules)(rules)
    assert verdict.text == "[INSTRUCTIONS]."


def test_checks_nothing_that_is_switched_off() -> None:
    guard = OutputGuard(OutputConfig(secrets="allow", instructions="allow"), RULES)
    assert guard(f"{RULES} {SECRET}").text == f"{RULES} {SECRET}"
