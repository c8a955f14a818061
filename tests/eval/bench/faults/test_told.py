"""A strict reader of OpenAI's format."""

from __future__ import annotations

import pytest

from eval.bench.faults.client import Seen
from eval.bench.faults.saying import DONE, Call, Say, completion, ending, events, text_of
from eval.bench.faults.told import Told, told

CALL = Call("abc", stream=True)
WORDS = b"".join(each.data for each in events(CALL))
ENDING = b"".join(each.data for each in ending(CALL))


def read(body: bytes, kind: str = "text/event-stream") -> Told:
    return told(Seen(200, {"content-type": kind}, bytearray(body), "whole"))


def test_a_whole_stream() -> None:
    seen = read(WORDS + ENDING)
    assert (seen.text, seen.finished, seen.done, seen.wrong) == (text_of("abc"), 1, 1, [])


def test_a_whole_answer() -> None:
    seen = read(completion(Call("abc")), "application/json")
    assert (seen.text, seen.finished, seen.wrong) == (text_of("abc"), 1, [])
    assert seen.usage is not None


def test_an_event_that_no_empty_line_ends_has_not_been_sent() -> None:
    assert read(b": hello\n\n" + WORDS[:-1]).text == text_of("abc").rpartition("5")[0] + "5 "


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'data: {"half\n\n', "not JSON"),
        (WORDS + DONE + DONE, "more after the end"),
        (b'data: {"error": {"message": "x"}}\n\n' + DONE, "more after the end"),
        (WORDS.replace("東".encode(), b"\xe6"), "not UTF-8"),
        (WORDS.replace("東".encode(), "\ufffd".encode()), "mojibake"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, complaint: str) -> None:
    assert any(complaint in wrong for wrong in read(body).wrong)


def test_the_pieces_know_their_text() -> None:
    assert "".join(say.text for say in events(CALL) if isinstance(say, Say)) == text_of("abc")
