"""The cases: what the upstream does, and what has to come of it for those who stream and others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from eval.bench.faults import behaviours as do
from eval.bench.faults.behaviours import LATE, Behaviour
from eval.bench.faults.client import Leave
from eval.bench.faults.expectations import (
    BUSY,
    BreaksOff,
    Check,
    Either,
    Fails,
    Waited,
    Whole,
    called_again,
    called_once,
    hung_up,
    left,
)
from eval.bench.faults.saying import (
    DONE,
    JSON,
    LAST_CHUNK,
    MOMENT,
    SSE,
    Say,
    Stop,
    chunk,
    error,
    event,
    head,
    sized,
)
from eval.bench.faults.saying import answer as right
from eval.bench.faults.told import speaks
from eval.bench.faults.upstream import Listening

WHOLE, FAILS, CUT = Whole(), Fails(), BreaksOff()
PATIENCE = 0.2  # seconds: of a client that leaves
SOON = Leave(after=PATIENCE)
SPOKEN = Leave(at=speaks)
BROKEN = event(error("The engine is on fire."))
HANG, CLOSE, RESET = Stop.HANG, Stop.CLOSE, Stop.RESET


@dataclass(frozen=True, slots=True)
class Case:
    """One way to misbehave. Where a mode has no expectation, it is not asked in that mode."""

    name: str
    upstream: str  # what it does, in words
    behaviour: Behaviour
    plain: Check | None = None
    stream: Check | None = None
    also: tuple[Check, ...] = ()
    listening: Listening = "open"
    leave: Leave | None = None
    warmed: bool = False  # a connection has been used before
    alone: bool = False  # would disturb others that run at the same time

    def model(self, stream: bool) -> str:
        """One for each mode, so that neither is judged by what the other did to it."""
        return f"{self.name}-stream" if stream else self.name

    @property
    def modes(self) -> tuple[bool, ...]:
        """Whether it is asked to stream: no, yes, or both."""
        asked = {False: self.plain, True: self.stream}
        return tuple(mode for mode, check in asked.items() if check)

    def check(self, stream: bool) -> Check:
        """What is expected. Of a mode that it is asked in."""
        check = self.stream if stream else self.plain
        assert check
        return check


def both(name: str, upstream: str, behaviour: Behaviour, check: Check, *also: Check) -> Case:
    """The same is expected whether streamed or not."""
    return Case(name, upstream, behaviour, check, check, also)


def cut(name: str, upstream: str, behaviour: Behaviour, plain: Check | None = FAILS) -> Case:
    """A stream breaks off after its first words; what is not streamed fails."""
    return Case(name, upstream, behaviour, plain, CUT)


def streamed(name: str, upstream: str, behaviour: Behaviour, check: Check = FAILS) -> Case:
    """There is no such thing as its plain form."""
    return Case(name, upstream, behaviour, stream=check)


def statuses() -> tuple[Case, ...]:
    """An error by its status."""
    told = {code: f"answers {code}" for code in (500, 502, 503, 504, 529)}
    return (
        *(both(f"status-{code}", text, do.status(code), FAILS) for code, text in told.items()),
        both("status-429", "answers 429", do.status(429), Fails(BUSY)),
        both(
            "status-429-retry-after",
            "answers 429 with Retry-After: 30",
            do.status(429, b"retry-after: 30"),
            Fails(BUSY, retry_after=25),
            called_once,
        ),
        both(
            "status-503-retry-after",
            "answers 503 with Retry-After: 30",
            do.status(503, b"retry-after: 30"),
            Fails(retry_after=25),
            called_once,
        ),
        both(
            "status-400",
            "answers 400: the request is wrong",
            do.status(400),
            Fails(frozenset({400}), heals=False),
            called_once,
        ),
        both(
            "status-401",
            "answers 401: the gateway's key is wrong",
            do.status(401),
            FAILS,
            called_once,
        ),
        both(
            "status-502-html",
            "a proxy before it answers 502 in HTML",
            do.steps(Say(sized(do.PAGE, status=502, content_type=b"text/html"))),
            FAILS,
        ),
        both(
            "redirect",
            "answers 307 to another path",
            do.steps(Say(sized(b"", b"location: /elsewhere", status=307))),
            FAILS,
        ),
    )


def connections() -> tuple[Case, ...]:
    """No connection, or one that breaks before an answer."""
    return (
        Case("refused", "does not listen", right, FAILS, FAILS, listening="refusing"),
        Case("never-accepted", "its queue is full", right, FAILS, FAILS, listening="full"),
        Case("slow-connect", f"accepts after {LATE:g} s", right, WHOLE, WHOLE, listening="slow"),
        both("reset", "resets the connection", do.steps(RESET), FAILS),
        both("closed", "closes the connection", do.steps(CLOSE), FAILS),
        both("silent", "never answers", do.steps(HANG), FAILS),
        Case(
            "stale-connection",
            "resets connections that it kept alive",
            do.stale,
            WHOLE,
            WHOLE,
            warmed=True,
            alone=True,
        ),
        both("not-http", "speaks SSH", do.steps(Say(b"SSH-2.0-OpenSSH_9.9\r\n"), CLOSE), FAILS),
    )


def slowness() -> tuple[Case, ...]:
    """Late, or never done."""
    return (
        both("slow-answer", f"answers after {LATE:g} s", do.after(LATE), WHOLE),
        streamed("slow-words", "20 ms between words", do.slowly(MOMENT * 0.4), WHOLE),
        streamed("head-only", "sends a head and no event", do.steps(Say(head(SSE)), HANG)),
        streamed("comments-only", "sends nothing but comments", do.comments),
        *(
            streamed(f"sse-{name}", f"events {text}", do.rewritten(write), WHOLE)
            for name, text, write in (
                ("crlf", "with CRLF", do.with_crlf),
                ("fields", "with id, event and comment", do.with_fields),
                ("no-blank", "without a blank after the colon", do.without_blank),
                ("spaced", "of JSON with blanks", do.spaced),
            )
        ),
        streamed("comments-first", "sends comments, then the answer", do.comments_first, WHOLE),
        cut("stall", "falls silent in its answer", do.after_words(HANG)),
        Case(
            "endless",
            "never stops talking; plain: sends blanks for ever",
            do.endless,
            FAILS,
            BreaksOff(more=True),
        ),
    )


def cuts() -> tuple[Case, ...]:
    """The end comes too early."""
    return (
        cut("cut", "closes the connection in its answer", do.after_words(CLOSE)),
        cut("cut-reset", "resets it there", do.after_words(RESET)),
        cut("cut-in-character", "closes it inside a character", do.cut_in_character),
        both("split-characters", "sends characters in pieces", do.split_characters, WHOLE),
        cut("not-utf8", "sends Latin-1", do.not_utf8),
        cut("truncated-json", "its JSON ends in the middle", do.truncated),
        streamed("broken-event", "an event's JSON ends in the middle", do.broken_event, CUT),
        streamed(
            "no-end", "neither finish_reason nor [DONE]", do.after_words(Say(LAST_CHUNK)), CUT
        ),
        streamed("finish-without-done", "no [DONE]", do.finish_without_done, WHOLE),
        streamed("cut-after-done", "closes after [DONE]", do.cut_after_done, WHOLE),
        both("until-close", "neither length nor chunks", do.until_close, WHOLE),
        Case(
            "length-too-long",
            "content-length is larger than the body, then it closes",
            do.wrong_length(1.5, CLOSE),
            FAILS,
            Either((WHOLE, CUT)),
        ),
        Case(
            "length-too-long-hanging",
            "content-length is larger than the body, and it waits",
            do.wrong_length(1.5, HANG),
            FAILS,
            Either((WHOLE, CUT)),
        ),
        Case(
            "length-too-short",
            "content-length is smaller than the body",
            do.wrong_length(0.5, CLOSE),
            FAILS,
            CUT,
        ),
    )


def errors_inside() -> tuple[Case, ...]:
    """A status of 200 that means nothing."""
    inside = do.steps(Say(sized(BROKEN[6:-2])))
    return (
        both("error-in-200", "answers 200 with an error as JSON", inside, FAILS),
        streamed("error-event", "its only event is an error", do.sse(BROKEN)),
        streamed("error-after-role", "preamble, then an error event", do.preambled(BROKEN)),
        streamed(
            "error-after-words",
            "words, then an error event",
            do.after_words(Say(chunk(BROKEN) + chunk(DONE) + LAST_CHUNK)),
            CUT,
        ),
        streamed(
            "error-with-words",
            "words and an error event in one piece",
            do.error_with_words,
            Either((FAILS, CUT)),
        ),
        streamed("error-as-finish", "words, then finish_reason error", do.error_finish, CUT),
        both(
            "html",
            "answers 200 with a page",
            do.steps(Say(sized(do.PAGE, content_type=b"text/html"))),
            FAILS,
        ),
        both("html-as-json", "a page that calls itself JSON", do.steps(Say(sized(do.PAGE))), FAILS),
        both("empty-body", "answers 200 with nothing", do.steps(Say(sized(b""))), FAILS),
        streamed("empty-stream", "ends a stream without an event", do.sse()),
        streamed("done-only", "sends [DONE] and nothing else", do.sse(DONE)),
        streamed("role-only", "sends a preamble and [DONE]", do.preambled(DONE)),
        both("no-choices", "sends usage and no choices", do.usage_without_words, FAILS),
    )


def framing() -> tuple[Case, ...]:
    """HTTP that is wrong, odd or too much."""
    garbage = do.by_mode(
        do.steps(Say(head(SSE) + b"zz\r\nnonsense\r\n"), HANG),
        do.steps(Say(head(JSON) + b"zz\r\nnonsense\r\n"), HANG),
    )
    many = [b"x-filler-%d: %b" % (i, b"y" * 1000) for i in range(1000)]
    return (
        both("bad-chunks", "its first chunk's size is no number", garbage, FAILS),
        streamed("bad-chunk-later", "a later one's", do.after_words(Say(b"zz\r\n"), HANG), CUT),
        both(
            "duplicate-headers",
            "sends headers twice",
            do.with_headers(b"x-request-id: a", b"x-request-id: b", b"vary: accept, accept"),
            WHOLE,
        ),
        Case("two-lengths", "content-lengths that differ", do.two_lengths, FAILS),
        both("huge-headers", "sends a megabyte of headers", do.with_headers(*many), FAILS),
        Case("gzip", "compresses, unasked", do.zipped, Either((WHOLE, FAILS))),
        both("early-hints", "sends 103 before its answer", do.early_hints, WHOLE),
        Case("answers-twice", "sends an answer that nobody asked for", do.answers_twice, WHOLE),
        Case("giant", "one line of 64 MiB", do.giant, FAILS, FAILS, alone=True),
        Case(
            "giant-later",
            "a line of 64 MiB after some words",
            do.giant_after_words,
            stream=CUT,
            alone=True,
        ),
    )


def recoveries() -> tuple[Case, ...]:
    """It works when it is tried again."""
    again = (called_again,)
    empty = do.by_mode(do.sse(), do.steps(Say(sized(b""))))
    first = {
        "500-once": ("answers 500 once", do.status(500)),
        "reset-once": ("resets once", do.steps(RESET)),
        "silent-once": ("is silent once", do.steps(HANG)),
        "empty-once": ("answers with nothing once", empty),
        "error-in-200-once": ("an error with 200 once", do.steps(Say(sized(BROKEN[6:-2])))),
    }
    return (
        *(both(name, text, do.once(fault), WHOLE, *again) for name, (text, fault) in first.items()),
        Case("cut-once", "closes in its answer once", do.once(do.after_words(CLOSE)), WHOLE),
        both(
            "429-once-retry-after",
            "answers 429 with Retry-After: 1 once",
            do.once(do.status(429, b"retry-after: 1")),
            WHOLE,
            Waited(1.0),
        ),
    )


def departures() -> tuple[Case, ...]:
    """The client leaves first."""
    silent, late = do.steps(HANG), do.after(2 * PATIENCE)
    return (
        Case("left-before-answer", "is silent", silent, left, left, (hung_up,), leave=SOON),
        Case(
            "left-in-answer",
            "is talking",
            do.slowly(PATIENCE),
            stream=left,
            also=(hung_up,),
            leave=SPOKEN,
        ),
        Case(
            "left-in-stall",
            "has fallen silent",
            do.after_words(HANG),
            stream=left,
            also=(hung_up,),
            leave=SPOKEN,
        ),
        Case(
            "left-while-plain",
            "has sent half",
            do.after_words(HANG),
            left,
            leave=SOON,
            also=(hung_up,),
        ),
        Case(
            "left-answered-late",
            "answers when nobody waits",
            late,
            left,
            left,
            (hung_up,),
            leave=SOON,
        ),
    )


CASES = (
    *connections(),
    *slowness(),
    *cuts(),
    *statuses(),
    *errors_inside(),
    *framing(),
    *recoveries(),
    *departures(),
)
BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType(
    {case.name: case.behaviour for case in CASES}
)
