"""What a process knows of questions that are kept elsewhere, whatever order it is told in."""

from __future__ import annotations

import numpy as np

from cache.mirrors import Asked, Changes, Mirrors, recorded
from retrieval.types import Vector

SIZE = 8


def vector(number: int) -> Vector:
    found = np.zeros(SIZE, dtype=np.float32)
    found[number % SIZE] = 1
    return found


def page(
    after: int, upto: int, last: int | None = None, epoch: bytes = b"e", living: int = 1_000
) -> Changes:
    """The questions with these numbers, each added once."""
    added = [(str(n), recorded(vector(n), float(n), 1e12)) for n in range(after + 1, upto + 1)]
    return Changes(epoch, after, upto, last or upto, living, added)


def opened(questions: int = 1_000, size: int = 2**20) -> Mirrors:
    return Mirrors(questions, size)


def test_what_is_told_twice_or_late_changes_nothing() -> None:
    mirrors = opened()
    mirrors.told("s", SIZE, Asked(), page(0, 5))
    mirrors.told("s", SIZE, Asked(b"e", 5), page(5, 7))
    mirror = mirrors.told("s", SIZE, Asked(b"e", 5), page(5, 6))
    assert (len(mirror.questions), mirror.seq) == (7, 7)


def test_a_gap_is_not_passed_over() -> None:
    mirrors = opened()
    mirrors.told("s", SIZE, Asked(), page(0, 5))
    mirror = mirrors.told("s", SIZE, Asked(b"e", 8), page(8, 9))
    assert (len(mirror.questions), mirror.seq, mirror.behind) == (5, 5, True)


def test_another_epoch_begins_anew() -> None:
    mirrors = opened()
    mirrors.told("s", SIZE, Asked(), page(0, 5))
    mirror = mirrors.told("s", SIZE, Asked(b"e", 5), page(0, 2, epoch=b"f"))
    assert (len(mirror.questions), mirror.seq, mirror.epoch) == (2, 2, b"f")


def test_a_store_in_which_less_has_happened_was_put_back() -> None:
    mirrors = opened()
    mirrors.told("s", SIZE, Asked(), page(0, 5))
    mirror = mirrors.told("s", SIZE, Asked(b"e", 5), page(0, 3))
    assert (len(mirror.questions), mirror.seq) == (3, 3)


def test_a_mirror_that_holds_mostly_what_is_gone_is_read_anew() -> None:
    mirrors = opened(questions=10_000)
    mirrors.told("s", SIZE, Asked(), page(0, 2_000))
    mirror = mirrors.told("s", SIZE, Asked(b"e", 2_000), page(2_000, 2_001, living=10))
    assert (len(mirror.questions), mirror.behind) == (0, True)


def test_the_oldest_questions_and_the_scopes_unused_longest_make_room() -> None:
    mirrors = opened(questions=3, size=4_000)
    mirror = mirrors.told("a", SIZE, Asked(), page(0, 5))
    assert len(mirror.questions) == 3
    assert mirror.questions.oldest == "3"
    for name in "bcd":
        mirrors.told(name, SIZE, Asked(), page(0, 3))
    assert mirrors.of("a") is None
    assert mirrors.of("d") is not None


def test_what_was_dropped_gives_its_room_back() -> None:
    mirrors = opened(size=4_000)
    for _ in range(50):
        mirrors.told("a", SIZE, Asked(), page(0, 3))
        mirrors.gone("a", "2")
        mirrors.drop("a")
    mirrors.told("a", SIZE, Asked(), page(0, 3))
    mirrors.told("b", SIZE, Asked(), page(0, 3))
    assert mirrors.of("a") is not None


def test_a_question_of_another_encoder_is_left_out() -> None:
    mirror = opened().told("s", SIZE + 1, Asked(), page(0, 5))
    assert (len(mirror.questions), mirror.seq) == (0, 5)
