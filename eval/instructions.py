"""Instruction data in Alpaca's layout (Stanford Alpaca, 2023): what to do, on what, and what a good
answer is. Read, looked over, and parted into what is learned from and what is reported on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

from eval.datasets import BadDataset
from guardrails.pii import personal_data
from guardrails.secrets import secrets

Part: TypeAlias = Literal["train", "test", "all"]
TESTED = 0.2
"""The share of instructions that is reported on."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One example."""

    line: int  # where it stands, counted from 1
    instruction: str
    input: str  # what it is about; may be empty
    output: str

    @property
    def prompt(self) -> str:
        """What a user would write."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an example, or odd. What is wrong must not be trained on."""

    line: int
    what: str
    wrong: bool


def read(file: Path) -> list[Instruction]:
    """A JSON list, or a JSON object a line. Raises BadDataset that names the first bad one."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadDataset(f"{file}: {error.strerror}") from None
    rows = list(_rows(file, data))
    if not rows:
        raise BadDataset(f"{file} has no instructions")
    return [_instruction(file, line, row) for line, row in rows]


def part(rows: Sequence[Instruction], wanted: Part) -> list[Instruction]:
    """Always the same ones, wherever they stand: a prompt that comes twice is on one side."""
    if wanted == "all":
        return list(rows)
    return [row for row in rows if _tested(row) == (wanted == "test")]


def problems(rows: Sequence[Instruction]) -> list[Problem]:
    """All that is found, in order."""
    found = []
    outputs: dict[str, Instruction] = {}
    for row in rows:
        found += [Problem(row.line, what, True) for what in _amiss(row)]
        first = outputs.setdefault(_plain(row.prompt), row)
        if first is not row:
            same = first.output.strip() == row.output.strip()
            said = "is the same as" if same else "has the prompt, and not the output, of"
            found.append(Problem(row.line, f"{said} line {first.line}", not same))
    return found


def _amiss(row: Instruction) -> Iterator[str]:
    if not row.output.strip():
        yield "has no output"
    text = f"{row.prompt}\n{row.output}"
    for finding in (*secrets(text), *personal_data(text)):
        yield f"holds what must not be learned: {finding.label}"


def _tested(row: Instruction) -> bool:
    digest = hashlib.blake2b(_plain(row.prompt).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) < TESTED * 2**64


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _rows(file: Path, data: bytes) -> Iterator[tuple[int, Any]]:
    if data.lstrip().startswith(b"["):
        yield from enumerate(_parsed(file, 1, data), start=1)
        return
    for line, text in enumerate(data.splitlines(), start=1):
        if text.strip():
            yield line, _parsed(file, line, text)


def _parsed(file: Path, line: int, text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadDataset(f"{file}, line {line}: no JSON ({error})") from None


def _instruction(file: Path, line: int, row: Any) -> Instruction:
    match row:
        case {"instruction": str(instruction), "output": str(output)} if instruction.strip():
            about = row.get("input") or ""
            if isinstance(about, str):
                return Instruction(line, instruction, about, output)
    raise BadDataset(
        f"{file}, line {line}: an object with `instruction` and `output`, and perhaps `input`, "
        "all of them texts, is wanted"
    )
