"""The table of common words."""

from __future__ import annotations

from retrieval.support.lexicon import Lexicon, lexicon


def test_common_words_weigh_less_than_rare_ones() -> None:
    words = lexicon()
    assert words.weight("year") < words.weight("orchestra") < words.weight("xylographi") == 1


def test_knows_words_that_are_near_in_meaning() -> None:
    assert lexicon().near("begin")["start"] > 0.7
    assert lexicon().near("xylographi") == {}


def test_a_word_of_every_text_weighs_nothing_and_none_weighs_less() -> None:
    words = Lexicon(100, {"the": 100}, {})
    assert 0 <= words.weight("the") < 0.01
