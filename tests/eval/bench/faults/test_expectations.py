"""What each expectation lets pass, and what it holds against an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.bench.faults.client import Seen
from eval.bench.faults.expectations import (
    BreaksOff,
    Check,
    Either,
    Fails,
    Waited,
    Whole,
    Witness,
    called_once,
    discreet,
    ended,
    hung_up,
)
from eval.bench.faults.saying import DONE, LAST_CHUNK, Call, ending, error, event, events
from eval.bench.faults.told import told
from eval.bench.faults.upstream import Attempt

CALL = Call("abc", stream=True)
WORDS = [each.data for each in events(CALL)]
ENDING = b"".join(each.data for each in ending(CALL))
WHOLE = b"".join(WORDS) + ENDING
CUT = b"".join(WORDS[:3])
ERROR = event(error("It broke."))
ATTEMPT = Attempt("abc", "cut", at=1.0, over_at=2.0)


def streamed(body: bytes, *attempts: Attempt) -> Witness:
    seen = Seen(200, {"content-type": "text/event-stream"}, bytearray(body), "whole", left_at=2.0)
    return Witness("abc", True, seen, told(seen), attempts)


def refused(status: int, body: bytes = ERROR[6:-2], wait: str = "") -> Witness:
    sent = {"content-type": "application/json", "retry-after": wait}
    seen = Seen(status, sent, bytearray(body), "whole")
    return Witness("abc", True, seen, told(seen), ())


def passes(check: Check, witness: Witness) -> bool:
    return not list(check(witness))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            Whole(),
            [WHOLE],
            [
                *(CUT, CUT + ENDING, CUT + ERROR),
                *(WHOLE + DONE, WHOLE[: -len(DONE)], WHOLE + WHOLE),
                WHOLE.replace(b'"prompt_tokens":20', b'"prompt_tokens":40'),
            ],
        ),
        (BreaksOff(), [CUT + ERROR], [CUT, ERROR, CUT + ERROR + DONE, CUT + DONE, WHOLE]),
        (Either((Whole(), BreaksOff())), [WHOLE, CUT + ERROR], [CUT]),
    ],
)
def test_streams(check: Check, good: list[bytes], bad: list[bytes]) -> None:
    assert [body for body in good if not passes(check, streamed(body))] == []
    assert [body for body in bad if passes(check, streamed(body))] == []


def test_failures() -> None:
    assert passes(Fails(), refused(503))
    assert not passes(Fails(), refused(404))
    assert not passes(Fails(), refused(503, b"<html>"))
    assert not passes(Fails(), refused(503, b'{"detail": "no"}'))
    assert not passes(Fails(), streamed(ERROR))
    assert passes(Fails(retry_after=25), refused(503, wait="30"))
    assert not passes(Fails(retry_after=25), refused(503))


def test_a_cut_connection_is_never_right() -> None:
    witness = streamed(CUT + ERROR)
    witness.seen.ending = "cut"
    assert not passes(BreaksOff(), witness)


def test_calls() -> None:
    assert passes(called_once, streamed(CUT, ATTEMPT))
    assert not passes(called_once, streamed(CUT, ATTEMPT, ATTEMPT))
    assert passes(called_once, streamed(CUT, ATTEMPT, replace(ATTEMPT, model="spare/steady")))
    assert passes(Waited(1), streamed(WHOLE, ATTEMPT, replace(ATTEMPT, at=2.0)))
    assert not passes(Waited(1), streamed(WHOLE, ATTEMPT, replace(ATTEMPT, at=1.5)))


def test_a_call_that_goes_on_is_seen() -> None:
    assert passes(hung_up, streamed(CUT, ATTEMPT))
    assert not passes(hung_up, streamed(CUT, replace(ATTEMPT, over_at=3.5)))
    assert not passes(ended, streamed(CUT, replace(ATTEMPT, over_at=None)))


def test_a_key_that_is_shown_is_seen() -> None:
    shown = event(error("Bad key sk-up"))
    assert not passes(discreet, streamed(shown, replace(ATTEMPT, secret=b"sk-up")))
    assert passes(discreet, streamed(LAST_CHUNK, replace(ATTEMPT, secret=b"sk-up")))
