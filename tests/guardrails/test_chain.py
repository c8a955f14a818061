"""Guards in a row, and over a chat's messages."""

from __future__ import annotations

from typing import Any

from guardrails.chain import Guard, chain, screened
from guardrails.types import Finding, Verdict


def replacing(old: str, new: str) -> Guard:
    def guard(text: str) -> Verdict:
        at = text.find(old)
        found = (Finding("test", old, at, at + len(old)),) if at >= 0 else ()
        return Verdict(text.replace(old, new), None, found)

    return guard


def blocking(word: str) -> Guard:
    return lambda text: Verdict(text, f"no_{word}" if word in text else None)


def test_each_guard_reads_what_the_one_before_it_left() -> None:
    verdict = chain(replacing("a", "b"), replacing("b", "c"))("a")
    assert verdict.text == "c"
    assert [finding.label for finding in verdict.findings] == ["a", "b"]


def test_a_block_ends_the_row() -> None:
    verdict = chain(replacing("a", "b"), blocking("b"), replacing("b", "c"))("a")
    assert (verdict.text, verdict.blocked_by) == ("b", "no_b")


def test_no_guards_change_nothing() -> None:
    assert chain()("text") == Verdict("text")


def test_reads_every_text_of_the_roles_it_is_given() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "a", "name": "Ann"},
    ]
    result = screened(messages, replacing("a", "b"), {"user"})
    assert result.messages == (
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "b", "name": "Ann"},
    )
    assert len(result.findings) == 2


def test_messages_without_a_finding_stay_the_same_objects() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "y"}]},
    ]
    result = screened(messages, replacing("a", "b"), {"user"})
    assert all(ours is theirs for ours, theirs in zip(result.messages, messages, strict=True))


def test_says_which_guard_blocked() -> None:
    messages = [{"role": "user", "content": "fine"}, {"role": "user", "content": "bomb"}]
    assert screened(messages, blocking("bomb"), {"user"}).blocked_by == "no_bomb"
