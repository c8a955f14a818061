"""Examples in a gateway: chosen by the request's one embedding, shown where there is room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from context.tokens import counter, messages_tokens
from context.types import NO_PARTS
from gateway.build import build, opened_prompts
from gateway.config import ConfigError, parse
from gateway.examples import opened
from gateway.windows import Windows
from retrieval.types import Query, Vectors
from tests.gateway.asking import config, helped, span

pytestmark = pytest.mark.anyio
POOL = [
    {"question": "How many days do I have to send goods back?", "answer": "30 days. Cheers!"},
    {"question": "Can I exchange a voucher for money?", "answer": "No. Cheers!"},
    {"question": "Who wrote the national anthem of Norway?", "answer": "Bjørnson. Cheers!"},
]
QUESTION = "Within how many days may goods be sent back?"


def written(folder: Path, *more: str, pool: Any = POOL) -> str:
    """The pool as a file, and the section that names it."""
    file = folder / "pool.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in pool))
    return "\n".join(["[context.examples]", f'file = "{file}"', *more, ""])


async def test_the_likest_are_shown_as_turns_after_the_instructions(tmp_path: Path) -> None:
    async with helped(tmp_path, written(tmp_path, "most = 1")) as helping:
        done, spans = await helping.told(QUESTION, "Hello.", "Hello!", grounding="open")
    told = span(spans, "pack").attributes
    roles = [each["role"] for each in told["prompt"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert told["prompt"][1:3] == (
        {"role": "user", "content": POOL[0]["question"]},
        {"role": "assistant", "content": "30 days. Cheers!"},
    )
    assert [each["question"] for each in told["examples"]] == [POOL[0]["question"]]
    assert told["examples"][0]["likeness"] > 0.6
    assert done.tokens["examples"] > 10
    parts = sum(count for part, count in told["tokens"].items() if part not in NO_PARTS)
    assert told["tokens"]["total"] == parts


@pytest.mark.parametrize("form", ["turns", "block"])
async def test_the_counts_are_those_of_the_whole_prompt(tmp_path: Path, form: str) -> None:
    async with helped(tmp_path, written(tmp_path, "most = 1", f'form = "{form}"')) as helping:
        done, spans = await helping.told(QUESTION, "Hello.", "Hello!", grounding="open")
    told = span(spans, "pack").attributes
    assert done.tokens["total"] == messages_tokens(told["prompt"], counter())


async def test_a_window_that_examples_fill_is_noted(tmp_path: Path) -> None:
    section = "alert = 0.0001\n" + written(tmp_path, "most = 1")
    async with helped(tmp_path, "[context]\n" + section) as helping:
        done, spans = await helping.told(QUESTION, grounding="open")
    (note,) = span(spans, "pack").attributes["notes"]
    full = (done.tokens["total"] + done.tokens["answer"]) / done.tokens["window"]
    assert note.startswith(f"the window is {full:.0%} full")


async def test_without_documents_the_question_is_embedded_for_them_once(tmp_path: Path) -> None:
    section = written(tmp_path, 'form = "block"', "likeness = 0.5")
    async with helped(tmp_path, section) as helping:
        encoder, asked = helping.gateway.encoder, []
        embed = encoder.query

        async def counted(text: str) -> Query:
            asked.append(text)
            return await embed(text)

        encoder.query = counted  # type: ignore[method-assign]
        _, spans = await helping.told(QUESTION, grounding="off")
    (block, question) = span(spans, "pack").attributes["prompt"]
    assert asked == [QUESTION]
    assert block["role"] == "system"
    assert (
        f"<example>\nQuestion: {POOL[0]['question']}\nAnswer: 30 days. Cheers!"
        in (block["content"])
    )
    assert "Norway" not in block["content"]
    assert question["content"] == QUESTION


async def test_where_none_is_like_the_question_the_prompt_is_as_it_was(tmp_path: Path) -> None:
    async with helped(tmp_path, written(tmp_path, "likeness = 0.9")) as helping:
        _, spans = await helping.told("What is a whale?", grounding="off")
    told = span(spans, "pack").attributes
    assert len(told["prompt"]) == 1
    assert "examples" not in told


async def test_they_take_only_the_room_that_is_left(tmp_path: Path) -> None:
    async with helped(tmp_path, written(tmp_path)) as helping:
        window = helping.gateway.router.catalogue.targets["sim/simulated"].window
        _, spans = await helping.told(
            f"{QUESTION} {'really ' * (window - 1200)}",
            grounding="off",
            params={"max_tokens": 1150},
        )
    told = span(spans, "pack").attributes
    assert "no room for examples" in told["notes"]
    assert len(told["prompt"]) == 1


async def test_an_example_of_a_task_is_for_questions_of_it(tmp_path: Path) -> None:
    pool = [{**POOL[0], "task": "creative"}]
    async with helped(tmp_path, written(tmp_path, pool=pool)) as helping:
        _, spans = await helping.told(QUESTION, grounding="off")
        _, creative = await helping.told(f"Write a poem: {QUESTION}", grounding="off")
    assert "examples" not in span(spans, "pack").attributes
    assert "examples" in span(creative, "pack").attributes


async def test_a_pool_is_embedded_again_only_when_it_has_changed(tmp_path: Path) -> None:
    async def started(section: str) -> int:
        """How many questions were embedded."""
        async with build(config(tmp_path / "data", "http://127.0.0.1:9/v1", "")) as gateway:
            embedded: list[str] = []
            embed = gateway.encoder.passages

            async def counted(texts: list[str]) -> Vectors:
                embedded.extend(texts)
                return await embed(texts)

            gateway.encoder.passages = counted  # type: ignore[method-assign,assignment]
            settings = parse(section)
            told = (await opened_prompts(settings)).used("examples")
            assert settings.context.examples is not None
            windows = Windows(settings.context, settings.all_providers)
            await opened(
                settings.context.examples, windows, gateway.encoder, told, tmp_path / "data"
            )
        return len(embedded)

    assert await started(written(tmp_path)) == 3
    assert await started(written(tmp_path)) == 0
    assert await started(written(tmp_path, pool=POOL[:2])) == 2
    assert len(list((tmp_path / "data" / "examples").iterdir())) == 1


async def test_other_examples_miss_the_cache(tmp_path: Path) -> None:
    policies = []
    for pool in (POOL, POOL[:2]):
        section = written(tmp_path, pool=pool)
        async with build(parse(f'data = "{tmp_path / "data"}"\n{section}')) as gateway:
            policies.append(gateway.known.policy)
    assert policies[0] != policies[1]


@pytest.mark.parametrize(
    ("pool", "why"), [([], "it has no example"), ([{"question": "a"}], "line 1 has to have")]
)
async def test_a_pool_that_cannot_be_used_ends_the_start(
    tmp_path: Path, pool: Any, why: str
) -> None:
    section = written(tmp_path, pool=pool)
    with pytest.raises(ConfigError, match=rf"`context\.examples\.file`: .*{why}"):
        async with build(parse(f'data = "{tmp_path / "data"}"\n{section}')):
            pass


async def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    text = f'data = "{tmp_path / "data"}"\n[context.examples]\nfile = "{tmp_path / "no.jsonl"}"\n'
    with pytest.raises(ConfigError, match="cannot be read"):
        async with build(parse(text)):
            pass
