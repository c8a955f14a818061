from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eval.bench.fuzz import worker
from eval.bench.fuzz.inputs import Input, Inputs
from eval.bench.fuzz.mutations import CANARY
from eval.bench.fuzz.report import table
from eval.bench.fuzz.run import RIGHT, State
from eval.bench.fuzz.worker import Watch, judged, starved
from eval.bench.processes import ROOT
from retrieval.types import Block, Document


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def test_hundreds_of_mutated_documents_are_read_or_refused(
    watch: Watch, tmp_path: Path, shared_data: Path
) -> None:
    """A small share of what `moorline bench fuzz` runs, the same each time."""
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    inputs = Inputs([shared_data / "ingest_markitdown"], 7, canary=str(canary))
    state = State(inputs.digest)
    for name, data in inputs.documents():
        judged(Input(-1, "", name, data), watch)  # imports what is imported late
    for number in range(280):
        state.add(judged(inputs[number], watch))
    assert state.passed, table(state)


def test_what_a_parser_opens_is_seen(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    watch.seen.clear()
    watch.armed = True
    (tmp_path / "secret").read_text()
    with socket.socket():
        pass
    watch.armed = False
    assert [seen.split()[0] for seen in watch.seen] == ["open", "socket.__new__"]


def test_what_is_opened_unwatched_is_not(watch: Watch, tmp_path: Path) -> None:
    watch.seen.clear()
    (tmp_path / "note").write_text("x")
    assert watch.seen == []


@pytest.mark.parametrize(
    ("text", "blocks", "wrong"),
    [
        ("ab", [(0, 2)], ""),
        ("a b", [(0, 1), (2, 3)], ""),
        ("ab", [(0, 1)], "text after the last block"),
        ("abc", [(0, 1), (2, 3)], "text between blocks at 1"),
        ("ab", [(0, 2), (1, 2)], "block"),
        ("a\ud800", [(0, 2)], "'utf-8' codec"),
        (CANARY, [(0, len(CANARY))], "it holds what stands in another file"),
    ],
)
def test_a_document_that_does_not_hold_together_is_told(
    text: str, blocks: list[tuple[int, int]], wrong: str
) -> None:
    found = tuple(Block("paragraph", start, end) for start, end in blocks)
    said = worker._malformed(Document("a", "1", "A", text, found))
    assert said.startswith(wrong)
    assert bool(said) == bool(wrong)


def test_a_refusal_is_right_and_names_its_reason(watch: Watch) -> None:
    verdict = judged(Input(3, "PDF", "a.pdf", b"no PDF"), watch)
    assert verdict.outcome in RIGHT
    assert verdict.reason == "wrong type: text, not a PDF"


def test_the_memory_that_an_input_may_take_is_limited() -> None:
    order = "from eval.bench.fuzz.worker import limit; limit(50_000_000); bytearray(100_000_000)"
    ended = subprocess.run([sys.executable, "-c", order], capture_output=True, cwd=ROOT)
    assert b"MemoryError" in ended.stderr


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("damaged mail: MemoryError: ", True),
        ("damaged HTML: SelectolaxError: Can't parse HTML.", True),
        ("damaged DOCX: XMLSyntaxError: unknown error (<string>, line 0)", True),
        ("damaged DOCX: XMLSyntaxError: Extra content at the end", False),
    ],
)
def test_a_library_that_got_no_memory_is_not_taken_for_a_damaged_file(
    reason: str, told: bool
) -> None:
    assert starved(reason) == told
