"""The sentences that stand for a text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.support.gist import gist
from tests.effort import cpu_seconds

SEA = "The harbour of Moorhaven ships grain and oil to every port of the north."
TEXT = (
    f"{SEA} The harbour of Moorhaven has ships for grain. Ships leave the harbour with oil. "
    "My aunt once owned a very small green parrot. The north buys grain and oil from the harbour."
)


def said(text: str, words: int) -> list[str]:
    return [text[start:end] for start, end in gist(text, words)]


def test_what_most_of_the_text_is_about_is_said() -> None:
    assert SEA in said(TEXT, 15)
    assert not any("parrot" in each for each in said(TEXT, 25))


def test_nothing_is_said_twice_while_there_is_something_else() -> None:
    text = f"{SEA} {SEA} {SEA} The old lighthouse was built by the engineer Ada Finch in 1874."
    assert said(text, 30).count(SEA) == 1


def test_sentences_come_in_their_order_and_within_the_words() -> None:
    spans = gist(TEXT, 30)
    assert spans == sorted(spans)
    assert sum(len(TEXT[a:b].split()) for a, b in spans) <= 30


@settings(max_examples=50)
@given(st.text(max_size=400), st.integers(1, 60))
def test_any_text_has_a_gist_of_its_own_sentences(text: str, words: int) -> None:
    spans = gist(text, words)
    assert all(text[start:end].strip() for start, end in spans)
    assert bool(spans) == bool(text.strip())


def test_the_effort_grows_with_the_text() -> None:
    def effort(times: int) -> float:
        text = " ".join(f"Ship {n} left the harbour with {n % 7} sacks." for n in range(times))
        return cpu_seconds(lambda: gist(text, 100), 1)

    assert effort(8_000) < 8 * effort(2_000)
