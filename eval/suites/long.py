"""Long texts without a model that reads them: what a question's answer is found in, and how much of
a summary that people wrote is in the sentences that stand for one.

Paragraphs of a set, one after another, make texts that are longer than a window.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from context.long_documents.apart import pointed
from context.long_documents.cutting import structured
from context.long_documents.selecting import passages, ranked, within
from context.tokens import counter
from eval.datasets import BadDataset, Dataset, Question, read
from eval.metrics import Estimate, difference, estimate
from eval.suites import options
from gateway.long_documents.cases import READ_FIRST
from gateway.providers.extractive import plausible
from retrieval.sentences import sentences
from retrieval.support.gist import gist
from retrieval.types import Hit, Passage

BUDGETS = (1_000, 2_000, 4_000, 8_000)
_SEED = 13
_SPARE = 10  # words by which a summary may be longer than the one that people wrote
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Finding:
    """Questions put to long texts."""

    tokens: Sequence[int]  # of each text
    recall: dict[int, Estimate]  # by budget: whether the answer's place is in what is read
    pointed: Estimate  # questions that are looked for at all
    asked: Estimate  # of those that the text answers, the share that is answered from passages
    foreign: Estimate  # of questions on another text, the same


@dataclass(frozen=True, slots=True)
class Summaries:
    """Sentences of texts beside what people made of them: the mean of ROUGE-1 and ROUGE-L, F1."""

    set: str
    sentences: Estimate
    lead: Estimate  # as many words from the beginning
    gain: Estimate


@click.command("long")
@options.dataset
@options.limit
@click.option("--tokens", type=click.IntRange(min=2_000), default=95_000, show_default=True)
@click.option(
    "--summaries",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="SummEdits' folder. Every second text is for choosing and left out.",
)
@options.as_json
def command(
    data: Path, limit: int | None, tokens: int, summaries: Path | None, json_file: Path | None
) -> None:
    """Find answers in texts of so many tokens; hold extracts against summaries."""
    try:
        found = _found(read(data), tokens, limit)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    made = [_summarised(file) for file in sorted(summaries.glob("*.json"))] if summaries else []
    click.echo(table(found, made))
    if json_file:
        report = {"finding": asdict(found), "summaries": [asdict(each) for each in made]}
        json_file.write_text(json.dumps(report, indent=2) + "\n")


def _found(dataset: Dataset, tokens: int, limit: int | None) -> Finding:
    count, chosen = counter(), random.Random(_SEED)
    texts = list(_texts(dataset, tokens))
    held: dict[int, list[float]] = {budget: [] for budget in BUDGETS}
    looked, own, foreign = list[float](), list[float](), list[float]()
    for number, (text, places) in enumerate(texts):
        of_it = [one for one in dataset.questions if _home(one) in places]
        others = [one for one in dataset.questions if _home(one) not in places]
        split = passages(structured(text), count)
        share = limit and max(1, limit // len(texts))
        for question in chosen.sample(of_it, min(len(of_it), share or len(of_it))):
            hits = ranked(question.text, split)
            at = _answer(text, question, places[_home(question)])
            for budget in BUDGETS:
                held[budget].append(_holds(within(hits, count, budget), at))
            looked.append(pointed(question.text))
            own.append(plausible(question.text, hits[:READ_FIRST]))
        for question in chosen.sample(others, min(len(others), share or len(of_it))):
            foreign.append(plausible(question.text, ranked(question.text, split)[:READ_FIRST]))
        click.echo(f"text {number + 1} of {len(texts)}", err=True)
    return Finding(
        [count(text) for text, _ in texts],
        {budget: estimate(values) for budget, values in held.items()},
        estimate(looked),
        estimate(own),
        estimate(foreign),
    )


def _home(question: Question) -> str:
    return next(iter(question.grades))


def _texts(dataset: Dataset, tokens: int) -> Iterator[tuple[str, dict[str, tuple[int, int]]]]:
    """Whole texts, with where each document stands in them."""
    count, said, places, size, at = counter(), list[str](), dict[str, tuple[int, int]](), 0, 0
    for document in dataset.documents:
        said.append(document.text)
        places[document.source] = (at, at + len(document.text))
        at += len(document.text) + 2
        size += count(document.text)
        if size >= tokens:
            yield "\n\n".join(said), places
            said, places, size, at = [], {}, 0, 0


def _answer(text: str, question: Question, place: tuple[int, int]) -> int:
    """Where the answer begins; its paragraph where it is not to be seen there."""
    found = (text.find(answer, *place) for answer in question.answers)
    return next((at for at in found if at >= 0), place[0])


def _holds(hits: Sequence[Hit], at: int) -> bool:
    return any(_covers(hit.passage, at) for hit in hits)


def _covers(passage: Passage, at: int) -> bool:
    return passage.start <= at < passage.end


def _summarised(file: Path) -> Summaries:
    rows = json.loads(file.read_text(encoding="utf-8"))
    texts = {row["doc"]: row["original_summary"] for row in rows}
    ours, lead = list[float](), list[float]()
    for text, summary in list(texts.items())[1::2]:
        words = len(summary.split()) + _SPARE
        ours.append(_rouge(" ".join(text[a:b] for a, b in gist(text, words)), summary))
        lead.append(_rouge(_beginning(text, words), summary))
    name = file.stem.removeprefix("summedits_")
    return Summaries(name, estimate(ours), estimate(lead), difference(ours, lead))


def _beginning(text: str, words: int) -> str:
    """Whole sentences from the beginning."""
    said: list[str] = []
    for start, end in sentences(text):
        words -= len(text[start:end].split())
        if said and words < 0:
            break
        said.append(text[start:end])
    return " ".join(said)


def _rouge(said: str, wanted: str) -> float:
    one, other = (_WORD.findall(text.lower()) for text in (said, wanted))
    shared = sum((Counter(one) & Counter(other)).values())
    return (_f1(shared, one, other) + _f1(_longest(one, other), one, other)) / 2


def _f1(shared: int, one: Sequence[str], other: Sequence[str]) -> float:
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


def _longest(one: Sequence[str], other: Sequence[str]) -> int:
    """Words of the longest common subsequence."""
    before = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for place, match in enumerate(other):
            row.append(before[place] + 1 if word == match else max(before[place + 1], row[-1]))
        before = row
    return before[-1]


def table(found: Finding, made: Sequence[Summaries]) -> str:
    """The figures for people."""
    sizes = ", ".join(f"{tokens:,}" for tokens in found.tokens)
    lines = [f"{len(found.tokens)} texts of {sizes} tokens; mean [95 % interval]", ""]
    for budget, value in found.recall.items():
        lines.append(f"answer within the best {budget:5,} tokens  {value}  n {value.n}")
    lines += [
        f"questions that are looked for           {found.pointed}",
        f"answered from passages, own questions   {found.asked}",
        f"answered from passages, foreign ones    {found.foreign}",
    ]
    if made:
        lines += ["", f"{'summaries':14}{'n':>4}{'sentences':>23}{'beginning':>23}{'gained':>26}"]
    for each in made:
        lines.append(
            f"{each.set:14}{each.sentences.n:4}{each.sentences!s:>23}{each.lead!s:>23}"
            f"{f'{each.gain:+}':>26}"
        )
    return "\n".join(lines)
