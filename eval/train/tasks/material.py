"""Requests with their tasks, from public sets, templates and labels made by hand.

No public set says of a request whether it asks for a summary, an extraction or a story, so those
come from templates over topics and paragraphs, and from HaluEval's general instructions, of which
instructions.json labels some by what they ask for (by reading them; what can be argued both ways
is left out). What is for reporting is apart: instructions labelled `test`, MT-bench's first turns,
HumanEval, GSM8K's and CLINC's own test parts.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.train.router.outcomes import mmlu
from routing.config import Task

Part = Literal["train", "test"]
_LABELS = Path(__file__).parent / "instructions.json"
_SEED = 13

SMALL_TALK = frozenset(
    {
        *("greeting", "goodbye", "thank_you", "are_you_a_bot", "what_is_your_name"),
        *("how_old_are_you", "who_made_you", "what_are_your_hobbies", "do_you_have_pets"),
        *("where_are_you_from", "who_do_you_work_for", "meaning_of_life", "tell_joke"),
        "what_can_i_ask_you",
    }
)
"""CLINC's intents of it."""

_OF_MT_BENCH: Mapping[str, Task] = {
    "writing": "creative",
    "roleplay": "creative",
    "math": "mathematics",
    "coding": "code",
    "extraction": "extraction",
    "stem": "question",
    "humanities": "question",
}
_MATHEMATICS = frozenset(
    ["abstract_algebra", "college_mathematics", "elementary_mathematics", "high_school_mathematics"]
)

_CODE = (
    "Write a {language} function that {does}.",
    "Implement {does} in {language}.",
    "My {language} program fails when it {does}. What is wrong?",
    "Refactor this {language} code so that it {does}.",
    "How do I write a unit test for a {language} method that {does}?",
    "Translate this script to {language}: it {does}.",
    "Give me a {language} snippet which {does}",
)
_LANGUAGES = [
    "Python",
    "JavaScript",
    "TypeScript",
    "Java",
    "C++",
    "C#",
    "Go",
    "Rust",
    "SQL",
    "Bash",
    "PHP",
    "Ruby",
    "HTML",
    "CSS",
]
_SUMMARY = (
    "Summarize the following text:\n{text}",
    "Summarise this in three sentences.\n\n{text}",
    "Give me the key points of the text below.\n{text}",
    "TL;DR please: {text}",
    "What does this passage say, in brief?\n{text}",
    "Condense the report on {topic} into one paragraph.",
    "Write an abstract of the article about {topic}.",
    "Can you sum up the meeting notes on {topic}?",
    "Shorten this to its essentials:\n{text}",
)
_EXTRACTION = (
    "Extract all names of people and places from this text:\n{text}",
    "List every date and number that is mentioned below.\n{text}",
    "Find the email addresses and phone numbers in: {text}",
    "Which companies are named in the following passage? Answer as JSON.\n{text}",
    "Turn this into a table with columns who, what and when:\n{text}",
    "Identify the named entities in the text and classify them.\n{text}",
    "Pull the order numbers out of these notes on {topic}: {text}",
    "Classify the sentiment of each of these reviews as positive or negative.\n{text}",
    "From the following record, give me the highest and the lowest value as CSV.\n{text}",
    "Count how often each word occurs in this text: {text}",
)
_CREATIVE = (
    "Write a short story about {topic}.",
    "Compose a poem on {topic}.",
    "Give me five slogans for {topic}.",
    "Imagine you are {topic}. Speak as it would.",
    "Write a blog post on {topic} with a catchy title.",
    "Invent a dialogue between two friends about {topic}.",
    "Come up with a metaphor for {topic}.",
    "Draft a friendly email that invites colleagues to a talk on {topic}.",
    "Write a song about {topic} in four verses.",
    "Rewrite this in the style of a fairy tale: {topic}",
    "Pretend to be a pirate and tell me about {topic}.",
)
_TOPICS = [
    "a lighthouse keeper",
    "the first day at school",
    "our new coffee brand",
    "a robot that learns to paint",
    "winter in the mountains",
    "remote work",
    "a lost letter",
    "the history of the bicycle",
    "healthy breakfasts",
    "a journey by night train",
    "climate policy",
    "the quarterly sales figures",
    "a stray cat",
    "an old library",
    "customer complaints",
    "the opening of a bakery",
    "friendship",
    "the sea",
    "data privacy",
    "a village festival",
    "electric cars",
    "a detective without a case",
    "budget planning",
    "space travel",
    "a garden in autumn",
    "the annual general meeting",
    "love and distance",
    "a broken clock",
]
_DOES = [
    "reverses a linked list",
    "reads a CSV file and sums a column",
    "sorts an array of objects by date",
    "sends a POST request with retries",
    "removes duplicates from a list",
    "connects to a database and prints all rows",
    "validates an email address",
    "computes prime numbers up to n",
    "merges two dictionaries",
    "draws a responsive navigation bar",
    "parses a log file",
    "counts words in a string",
    "renders a login form",
    "finds the longest common subsequence",
    "schedules a job every hour",
    "joins two tables and groups by month",
    "converts JSON to XML",
    "throws a null pointer exception",
]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and what for."""

    text: str
    task: Task
    source: str


def requests(data: Path, part: Part) -> list[Request]:
    """Of all sources, from the folder of public data sets."""
    if part == "test":
        return [
            *_instructions(data, "test"),
            *_mt_bench(data),
            *_human_eval(data),
            *_word_problems(data, "test", 300),
            *_clinc(data, "test", 300),
        ]
    return [
        *_instructions(data, "train"),
        *_templates(data),
        *_code_searches(data),
        *_word_problems(data, "train", 400),
        *_exams(data),
        *_clinc(data, "train", 500),
        *_questions(data),
    ]


def _instructions(data: Path, part: Part) -> Iterator[Request]:
    labels: dict[str, Task] = json.loads(_LABELS.read_text(encoding="utf-8"))[part]
    for line in _lines(data / "halueval" / "data" / "general_data.json"):
        if task := labels.get(line["ID"]):
            yield Request(line["user_query"], task, "instructions")


def _mt_bench(data: Path) -> Iterator[Request]:
    file = data / "routellm" / "routellm" / "evals" / "mt_bench" / "question.jsonl"
    for line in _lines(file):
        if task := _OF_MT_BENCH.get(line["category"]):
            yield Request(line["turns"][0], task, "MT-bench")


def _human_eval(data: Path) -> Iterator[Request]:
    with gzip.open(data / "humaneval" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as opened:
        for line in opened:
            yield Request(json.loads(line)["prompt"], "code", "HumanEval")


def _word_problems(data: Path, part: Part, many: int) -> Iterator[Request]:
    lines = list(_lines(data / "gsm8k" / f"{part}.jsonl"))
    for line in _some(lines, many):
        yield Request(line["question"], "mathematics", "GSM8K")


def _clinc(data: Path, part: Part, many: int) -> Iterator[Request]:
    """Small talk, and as many errands as questions."""
    said = json.loads((data / "clinc_oos" / "data_full.json").read_text(encoding="utf-8"))[part]
    talk = [text for text, intent in said if intent in SMALL_TALK]
    errands = [text for text, intent in said if intent not in SMALL_TALK]
    for text in _some(talk, many):
        yield Request(text, "conversation", "CLINC")
    for text in _some(errands, many):
        yield Request(text, "question", "CLINC")


def _code_searches(data: Path) -> Iterator[Request]:
    file = data / "cosqa" / "qa" / "cosqa-dev.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    for row in rows[1::2]:  # the others are a test part
        yield Request(row["doc"], "code", "CoSQA")


def _exams(data: Path) -> Iterator[Request]:
    """MMLU's stems: those of mathematics, and as many others."""
    stems: dict[Task, list[str]] = {"mathematics": [], "question": []}
    for outcome in mmlu(data / "routellm", "train"):
        task: Task = "mathematics" if outcome.subject in _MATHEMATICS else "question"
        stems[task].append(outcome.question.split("\nA. ")[0])
    for task, texts in stems.items():
        for text in _some(texts, 300):
            yield Request(text, task, "MMLU")


def _questions(data: Path) -> Iterator[Request]:
    for line in _clapnq(data):
        yield Request(line["input"], "question", "CLAPNQ")


def _templates(data: Path) -> Iterator[Request]:
    dice = random.Random(_SEED)
    texts = _paragraphs(data)
    for _ in range(250):
        words = {
            "language": dice.choice(_LANGUAGES),
            "does": dice.choice(_DOES),
            "topic": dice.choice(_TOPICS),
        }
        for task, templates in _TEMPLATES.items():
            text = dice.choice(texts)[: dice.choice((200, 500, 1200))]
            yield Request(dice.choice(templates).format(text=text, **words), task, "templates")


_TEMPLATES: Mapping[Task, Sequence[str]] = {
    "code": _CODE,
    "summary": _SUMMARY,
    "extraction": _EXTRACTION,
    "creative": _CREATIVE,
}


def _paragraphs(data: Path) -> list[str]:
    return [passage["text"] for line in _clapnq(data) for passage in line["passages"]]


def _clapnq(data: Path) -> Iterator[Any]:
    for path in sorted((data / "clapnq" / "annotated_data" / "dev").glob("*.jsonl")):
        yield from _lines(path)


def _some(values: Iterable[Any], many: int) -> list[Any]:
    known = list(values)
    return random.Random(_SEED).sample(known, min(many, len(known)))


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as opened:
        yield from map(json.loads, opened)
