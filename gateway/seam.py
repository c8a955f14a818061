"""Where one model's text goes on from another's: no word twice, none lost. Decisions only, no I/O.

A model that is to go on does so exactly, or says the last words again, or begins from the
beginning. What it says first tells which, so that much is held back. It was shown the text without
the blanks at its end, which some providers refuse; an exact continuation of a whole word therefore
begins with a blank, and a repetition does not.

What cannot be told apart: a text that says its last words twice with nothing between them, and a
model that goes on with a new word but leaves out the blank in front.
"""

from __future__ import annotations

import re
from itertools import takewhile

_WORD = re.compile(r"\S+")
_ASTRAY = 5  # words of the beginning said again, after which a text of its own is another answer
# A model that was not asked to repeat anything is believed to do so only for more than these,
# since the second half of a doubled digit or syllable looks the same.
_SURE_WORDS = 2
_SURE_CHARACTERS = 8
_SURE_AFTER_A_BLANK = 3  # words, of a model that was asked to repeat some


class AnotherAnswer(Exception):
    """It begins like the one before and then goes its own way: the two cannot be joined."""


def shown(said: str) -> str:
    """The beginning of an answer as the next model is shown it."""
    return said.rstrip()


class Seam:
    """The words of the next model on their way to follow what was said."""

    def __init__(self, said: str, *, asked_to_repeat: bool) -> None:
        self._said = shown(said)
        self._blanks = said[len(self._said) :]  # told already
        self._asked = asked_to_repeat
        self._held = ""
        self._joined = False  # it is clear how the two are joined
        self._starts: list[int] | None = None  # where a repetition may have begun

    def feed(self, piece: str) -> str:
        """What is to be told now. Raises AnotherAnswer."""
        return self._told(piece, over=False)

    def finish(self) -> str:
        """What is still held back at the end. Raises AnotherAnswer."""
        return self._told("", over=True)

    def _told(self, piece: str, over: bool) -> str:
        if not self._joined:
            self._held += piece
            self._join(over)
            if not self._joined:
                return ""
            piece, self._held = self._held, ""
        if not self._blanks:
            return piece
        self._held += piece
        if not (over or self._held.strip()):
            return ""
        text, self._held = self._after_blanks(self._held), ""
        self._blanks = ""
        return text

    def _join(self, over: bool) -> None:
        """Leave of what is held what comes after the text, once that is clear."""
        words = self._held.lstrip()
        after_a_blank = len(words) < len(self._held)
        if not (words or over):
            return
        if self._starts is None:
            self._starts = self._beginnings(after_a_blank)
        said, length = self._said, len(words)
        whole = [p for p in self._starts if length >= len(said) - p and words.startswith(said[p:])]
        begun = [p for p in self._starts if length < len(said) - p and said.startswith(words, p)]
        self._starts = sorted((*whole, *begun))
        if not over and begun and (not whole or begun[0] < whole[0]):
            return  # it may yet turn out to be a longer repetition
        if whole:
            self._held = words[len(said) - whole[0] :]
        elif not after_a_blank and self._goes_astray(words):
            raise AnotherAnswer
        self._joined = True

    def _beginnings(self, after_a_blank: bool) -> list[int]:
        """The words from which the model may have begun to repeat."""
        starts = [word.start() for word in _WORD.finditer(self._said)]
        if after_a_blank:
            return starts[: 1 - _SURE_AFTER_A_BLANK] if self._asked else []
        if self._asked:
            return starts
        sure = starts[: 1 - _SURE_WORDS]
        last = starts[len(sure) :]
        return (
            starts[:1]
            + sure[1:]
            + [p for p in last if p not in starts[:1] and len(self._said) - p >= _SURE_CHARACTERS]
        )

    def _goes_astray(self, words: str) -> bool:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(words, self._said, strict=False))
        return len("".join(sign for sign, _ in same).split()) > _ASTRAY

    def _after_blanks(self, text: str) -> str:
        """The text without those of its blanks that were told before it."""
        blanks = self._blanks
        common = next(
            n for n in range(len(blanks), -1, -1) if text.startswith(blanks[len(blanks) - n :])
        )
        return text[common:]
