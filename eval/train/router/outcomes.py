"""How well a cheap and a strong model answered the same questions: public data, or one's own.

RouteLLM's (lm-sys/RouteLLM) are of Mixtral-8x7B-Instruct and GPT-4-1106: MMLU and GSM8K, right or
wrong, and MT-bench's first turns, judged 1 to 10. What it found in its own training data is left
out, as in its evaluation, and so is what is asked twice. Which subjects are for reporting only is
a rule of the data, so no caller chooses by hand.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CHEAP, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
GSM8K, MT_BENCH = "gsm8k", "mt-bench"
_JUDGED_UP_TO = 10.0
Part = Literal["train", "test"]


class BadOutcomes(Exception):
    """A file or folder of outcomes that cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question, 0 to 1; None is not known."""

    question: str
    cheap: float | None
    strong: float | None
    subject: str


def mmlu(folder: Path, part: Part | None = None) -> list[Outcome]:
    """Of one part, or all; the last third of the subjects by name is for reporting only."""
    files = sorted((_evals(folder) / "mmlu" / "responses").glob("mmlu_*.csv"))
    first_test = len(files) - len(files) // 3
    kept = {None: files, "train": files[:first_test], "test": files[first_test:]}[part]
    found = (each for file in kept for each in _answers(file, file.stem.removeprefix("mmlu_")))
    return _distinct(found, _contaminated(_evals(folder) / "mmlu"))


def gsm8k(folder: Path, part: Part | None = None) -> list[Outcome]:
    """Of one part, or all; every second question is for reporting only."""
    home = _evals(folder) / "gsm8k"
    found = _distinct(_answers(home / "gsm8k_responses.csv", GSM8K), _contaminated(home))
    return {None: found, "train": found[::2], "test": found[1::2]}[part]


def mt_bench(folder: Path) -> list[Outcome]:
    home = _evals(folder) / "mt_bench"
    scores: dict[tuple[int, str], float] = {}
    for judged in _lines(home / "judgements.jsonl"):
        if judged["turn"] == 1:
            scores[judged["question_id"], judged["model"]] = judged["score"] / _JUDGED_UP_TO
    found = (
        Outcome(
            asked["turns"][0],
            scores[asked["question_id"], CHEAP],
            scores[asked["question_id"], STRONG],
            MT_BENCH,
        )
        for asked in _lines(home / "question.jsonl")
    )
    return _distinct(found, _contaminated(home))


def packaged(folder: Path) -> list[Outcome]:
    """What the packaged model is trained on: nothing that is for reporting."""
    return [*mmlu(folder, "train"), *gsm8k(folder, "train"), *mt_bench(folder)]


def own(path: Path, cheap: str = "", strong: str = "") -> list[Outcome]:
    """A JSON object a line: question, cheap and strong; or question, model and score, where the
    two models are named. Scores are 0 to 1; `subject` keeps what belongs together in one fold."""
    known: dict[str, dict[str, list[float]]] = {}
    subjects: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            question, scores = _scored(line, {cheap: "cheap", strong: "strong"})
        except (KeyError, TypeError, ValueError) as error:
            raise BadOutcomes(
                f"{path} line {number}: question and cheap and strong, or model and score, are "
                f"needed ({error!r})."
            ) from None
        for side, score in scores.items():
            known.setdefault(question, {}).setdefault(side, []).append(score)
        subjects.setdefault(question, str(line.get("subject", "")))
    return [
        Outcome(question, _mean(sides.get("cheap")), _mean(sides.get("strong")), subjects[question])
        for question, sides in known.items()
    ]


def _scored(line: Mapping[str, Any], sides: Mapping[str, str]) -> tuple[str, dict[str, float]]:
    """What a line says of each side; nothing of a third model."""
    if "model" in line:
        side = sides.get(line["model"])
        scores = {side: float(line["score"])} if side else {}
    else:
        scores = {side: float(line[side]) for side in ("cheap", "strong")}
    if not all(0 <= score <= 1 for score in scores.values()):
        raise ValueError("a score is not between 0 and 1")
    return str(line["question"]), scores


def _mean(scores: Sequence[float] | None) -> float | None:
    return sum(scores) / len(scores) if scores else None


def _evals(folder: Path) -> Path:
    home = folder / "routellm" / "evals"
    if not home.is_dir():
        raise BadOutcomes(f"{folder} is no copy of RouteLLM: it has no routellm/evals.")
    return home


def _answers(file: Path, subject: str) -> Iterator[Outcome]:
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            cheap, strong = (float(row[model] == "True") for model in (CHEAP, STRONG))
            yield Outcome(row["prompt"], cheap, strong, subject)


def _contaminated(folder: Path) -> set[str]:
    return {line["eval_prompt"] for line in _lines(folder / "contaminated_prompts.jsonl")}


def _distinct(found: Iterable[Outcome], without: set[str]) -> list[Outcome]:
    first: dict[str, Outcome] = {}
    for outcome in found:
        if outcome.question not in without:
            first.setdefault(outcome.question, outcome)
    return list(first.values())


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as opened:
        for number, line in enumerate(opened, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise BadOutcomes(f"{path} line {number}: {error}") from None
