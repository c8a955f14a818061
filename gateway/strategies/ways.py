"""The strategies themselves. Each begins an answer by way of a Run, and may give up with Unsaid:
then the request is answered by one plain call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from context.quoting import quoted
from context.types import Message
from gateway.asides import Unsaid, lines_of
from gateway.dispatch import Begun
from gateway.errors import GatewayError, StructuredOutputInvalid
from gateway.judging import supported
from gateway.strategies.run import Run, Said
from gateway.strategies.voting import vote
from retrieval.types import RetrievalError
from routing.types import Strategy

Way: TypeAlias = Callable[[Run], Awaitable[Begun]]

NOTHING = "Nothing to change."
"""What a critique says that finds nothing."""
LONGEST_PART = 300  # characters of a part of a question


async def chain_of_thought(run: Run) -> Begun:
    """Think first, then answer: two calls, so that the thoughts cannot get into the answer's stream
    (Kojima et al., Large Language Models are Zero-Shot Reasoners, 2022)."""
    thinking = run.asked(run.text("think"))
    notes = await run.aside("think", thinking)
    return await run.told("answer", [*thinking, _assistant(notes), _user(run.text("answer"))])


async def self_consistency(run: Run) -> Begun:
    """Several answers, of which the one that most agree with is told (Wang et al.,
    Self-Consistency Improves Chain of Thought Reasoning in Language Models, 2022)."""
    samples = await run.sampled()
    outcome = await asyncio.to_thread(vote, [sample.text for sample in samples])
    agreement = round(outcome.agreement, 4)
    return run.chosen(samples[outcome.winner], samples=len(samples), agreement=agreement)


async def best_of_n(run: Run) -> Begun:
    """Several answers, of which the reranker chooses the one that bears most on the question."""
    samples = await run.sampled()
    question = run.prompt.question or run.ask.question
    try:
        readings = await run.means.reader.read(question, [sample.text for sample in samples])
    except RetrievalError as error:
        run.note(why=f"The reranker did not read them: {error}.")
        return run.chosen(samples[0], samples=len(samples))
    scores = [reading.relevance for reading in readings]
    best = max(range(len(samples)), key=scores.__getitem__)
    run.note(scores=[round(score, 4) for score in scores])
    return run.chosen(samples[best], samples=len(samples))


async def draft_critique_revise(run: Run) -> Begun:
    """An answer, what is wrong with it, and the answer again. Where a later step fails, or finds
    nothing, the draft is the answer."""
    draft = await run.answer("draft")
    try:
        reviewed = [
            *run.prompt.messages,
            _assistant(draft.text),
            _user(run.text("critique", nothing=NOTHING)),
        ]
        critique = await run.aside("critique", reviewed)
        if critique.startswith(NOTHING):
            return run.chosen(draft)
        revising = [*reviewed, _assistant(critique), _user(run.text("revise"))]
        return await run.told("revise", revising)
    except (GatewayError, Unsaid) as error:
        run.note(why=f"{error}: the draft is the answer.")
        return run.chosen(draft)


async def decompose(run: Run) -> Begun:
    """The question's parts answered one by one, then the question from these answers (Zhou et al.,
    Least-to-Most Prompting Enables Complex Reasoning in Large Language Models, 2022)."""
    listing = run.asked(run.text("decompose", many=str(run.config.parts)))
    listed = await run.aside("decompose", listing)
    parts = lines_of(listed, LONGEST_PART)[: run.config.parts]
    if len(parts) < 2:
        return await run.told("answer")
    answered = await run.gathered(partial(_solved, run, part) for part in parts)
    told = "\n".join([run.text("combine"), *answered])
    return await run.told("combine", run.asked(told))


async def _solved(run: Run, part: str) -> str:
    answer = await run.aside("solve", run.asked(run.text("solve", part=part)))
    return quoted("part", f"{part}\n{answer}")


async def escalating_temperature(run: Run) -> Begun:
    """From cool to hot until an answer has its form and its sources support it; else the one that
    they support best."""
    best: tuple[float, Said] | None = None
    failure: StructuredOutputInvalid | None = None
    for temperature in run.config.temperatures:
        try:
            said = await run.answer(f"temperature {temperature:g}", temperature=temperature)
        except StructuredOutputInvalid as error:
            failure = error
            continue
        share = await asyncio.to_thread(supported, said.text, run.prompt)
        if share is None or share >= run.config.faithfulness:
            return run.chosen(said, temperature=temperature)
        if best is None or share > best[0]:
            best = share, said
    if best is None:
        assert failure is not None  # there is at least one temperature
        raise failure
    return run.chosen(best[1])


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


WAYS: Mapping[Strategy, Way] = {
    "chain_of_thought": chain_of_thought,
    "self_consistency": self_consistency,
    "draft_critique_revise": draft_critique_revise,
    "decompose": decompose,
    "best_of_n": best_of_n,
    "escalating_temperature": escalating_temperature,
}
