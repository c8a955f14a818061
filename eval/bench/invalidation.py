"""Whether an answer from a document's retired version is given once its ingestion has returned.

A corpus is edited at random while it is asked about, through the whole pipeline without the HTTP
door. Every version of a document says a number of its own, and the built-in model quotes it, so an
answer shows what it was made from. At the end, when it is quiet, every question is asked of the
cache and past it, and both have to say the same.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.build import build
from gateway.config import Config
from gateway.ingestion import of
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask
from retrieval.sources.types import Item

COLLECTION = "invalidation"
EDITS = {"change": 0.6, "delete": 0.15, "add": 0.15, "rename": 0.1}
PAUSE = 0.002  # seconds of each asker between two questions
_NUMBER = re.compile(r"\bQ\d+Z\b")
_PARTS = ("pump", "valve", "winch", "hatch", "rudder", "mast", "keel", "anchor", "stove", "lamp")
_PLACES = ("aft", "fore", "port", "upper", "lower", "spare", "north", "inner", "outer", "main")


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    documents: int
    edits: Mapping[str, int]
    askers: int
    seconds: float
    answers: int
    at_once: int  # given again without a search
    confirmed: int  # given again since the search found the same
    shared: int
    quoting: int  # answers that show what they were made from
    retired: int  # answers from a version whose ingestion had returned before they were asked for
    compared: int  # questions asked at the end, of the cache and past it
    hits_compared: int  # of these, how many the cache had an answer to
    different: int


@dataclass(slots=True)
class Corpus:
    """What is live, and since when what is not is gone."""

    chance: random.Random
    live: dict[str, tuple[int, str]] = field(default_factory=dict)  # source → subject, number
    gone: dict[str, float] = field(default_factory=dict)  # number or source → when it was retired
    made: int = 0

    def written(self, subject: int) -> tuple[str, str]:
        """A new number and the text that says it."""
        self.made += 1
        number = f"Q{self.made}Z"
        name = self.name(subject)
        return number, (
            f"# {name.capitalize()}\n\nThe inspection code of the {name} is {number}. It is "
            f"painted beside the {name} and checked by whoever has the watch.\n"
        )

    def name(self, subject: int) -> str:
        place, part = divmod(subject, len(_PARTS))
        deck, place = divmod(place, len(_PLACES))
        return f"{_PLACES[place]} {_PARTS[part]} of deck {deck + 1}"

    def question(self, subject: int) -> str:
        return f"What is the inspection code of the {self.name(subject)}?"

    def retired(self, shown: set[str], asked_at: float) -> bool:
        """Whether one of these numbers or sources was gone before the question was asked."""
        return any(self.gone.get(each, asked_at) < asked_at for each in shown)


@dataclass(slots=True)
class _Run:
    gateway: Gateway
    corpus: Corpus
    documents: int
    texts: dict[str, str] = field(default_factory=dict)  # by the number that they say
    seen: Counter[str] = field(default_factory=Counter)
    over: bool = False

    async def filled(self) -> None:
        items = [self._item(f"{n}-0.md", n) for n in range(self.documents)]
        await of(self.gateway).bring(COLLECTION, items, {})

    async def edited(self, edits: int, progress: Callable[[int], None]) -> Counter[str]:
        kinds = Counter[str]()
        for number in range(edits):
            (kind,) = self.corpus.chance.choices(list(EDITS), list(EDITS.values()))
            await self._edit(kind)
            kinds[kind] += 1
            if number % 50 == 0:
                progress(number)
        self.over = True
        return kinds

    async def asking(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.over:
            # Half of all questions are about a twentieth of the subjects.
            few = chance.random() < 0.5
            subject = chance.randrange(self.documents // 20 if few else self.documents)
            await self.asked(subject)
            await asyncio.sleep(PAUSE)

    async def asked(self, subject: int, cache: bool = True) -> tuple[str, str]:
        """What is said, and where it came from."""
        question = self.corpus.question(subject)
        messages = ({"role": "user", "content": question},)
        ask = Ask("extractive", messages, question, collection=COLLECTION, use_cache=cache)
        trace, at = Trace(), time.perf_counter()
        whole = await collect((await self.gateway.answer(None, ask, trace)).events)
        assert whole.done is not None
        numbers = {*_NUMBER.findall(whole.text)}
        shown = numbers | {each.document for each in whole.done.sources}
        state = str(whole.done.cache)
        if state == "exact" and any(span.name == "cache.confirm" for span in trace.spans):
            state = "confirmed"
        self.seen.update(["answers", state])
        self.seen["quoting"] += bool(numbers)
        self.seen["retired"] += self.corpus.retired(shown, at)
        return whole.text, state

    async def compared(self) -> tuple[int, int]:
        """When it is quiet: how many answers of the cache there are, and how many differ."""
        hits = different = 0
        for subject in range(self.documents):
            kept, state = await self.asked(subject)
            fresh, _ = await self.asked(subject, cache=False)
            hits += state in ("exact", "confirmed")
            different += kept != fresh
        return hits, different

    async def _edit(self, kind: str) -> None:
        corpus, collections = self.corpus, of(self.gateway)
        source = corpus.chance.choice(list(corpus.live))
        subject, number = corpus.live[source]
        if kind == "change":
            item = self._item(source, subject)
            await collections.bring(COLLECTION, [item], {})
            corpus.gone[number] = time.perf_counter()
        elif kind == "delete":
            del corpus.live[source]
            await collections.remove(COLLECTION, [source])
            corpus.gone[number] = corpus.gone[source] = time.perf_counter()
        elif kind == "add":
            subject = corpus.chance.randrange(self.documents)
            item = self._item(f"{subject}-{corpus.made}.md", subject)
            await collections.bring(COLLECTION, [item], {})
        else:
            renamed = f"{subject}-{corpus.made}-renamed-{len(corpus.gone)}.md"
            text = self.texts[number]
            corpus.live[renamed] = corpus.live.pop(source)
            await collections.bring(
                COLLECTION, [Item(renamed, renamed, len(text), text.encode)], {}
            )
            await collections.remove(COLLECTION, [source])
            corpus.gone[source] = time.perf_counter()

    def _item(self, source: str, subject: int) -> Item:
        """A new version of a document, which is live from now on."""
        number, text = self.corpus.written(subject)
        self.texts[number] = text
        self.corpus.live[source] = subject, number
        return Item(source, source, len(text), text.encode)


def measure(
    documents: int, edits: int, askers: int, seed: int, progress: Callable[[int], None]
) -> Report:
    """Edit a made-up corpus so many times in a gateway of its own, under load."""
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as data:
        config = Config(data=Path(data))
        return asyncio.run(_measured(config, documents, edits, askers, seed, progress))


async def _measured(
    config: Config,
    documents: int,
    edits: int,
    askers: int,
    seed: int,
    progress: Callable[[int], None],
) -> Report:
    async with build(config) as gateway:
        run = _Run(gateway, Corpus(random.Random(seed)), documents)
        await run.filled()
        began = time.perf_counter()
        asking = [asyncio.create_task(run.asking(seed + n)) for n in range(askers)]
        kinds = await run.edited(edits, progress)
        await asyncio.gather(*asking)
        seconds, seen = time.perf_counter() - began, Counter(run.seen)
        hits, different = await run.compared()
    return Report(
        documents=documents,
        edits=dict(kinds),
        askers=askers,
        seconds=seconds,
        answers=seen["answers"],
        at_once=seen["exact"],
        confirmed=seen["confirmed"],
        shared=seen["shared"],
        quoting=seen["quoting"],
        retired=run.seen["retired"],
        compared=documents,
        hits_compared=hits,
        different=different,
    )


def table(report: Report) -> str:
    """The report for people."""
    kinds = ", ".join(f"{many} {kind}" for kind, many in report.edits.items())
    answers = report.answers or 1
    return "\n".join(
        [
            f"{sum(report.edits.values())} edits ({kinds}) of {report.documents} documents in "
            f"{report.seconds:.0f} s, {report.askers} askers: {report.answers} answers",
            f"given again at once  {report.at_once:>7} {report.at_once / answers:>7.1%}",
            f"given again, searched{report.confirmed:>7} {report.confirmed / answers:>7.1%}",
            f"shared               {report.shared:>7} {report.shared / answers:>7.1%}",
            f"that show a version  {report.quoting:>7} {report.quoting / answers:>7.1%}",
            f"FROM A RETIRED ONE   {report.retired:>7}",
            f"At the end {report.hits_compared} of {report.compared} questions are hits; "
            f"{report.different} answers differ from what is said without the cache.",
        ]
    )
