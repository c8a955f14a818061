"""The operator's prompts in a gateway: what a model is told, and what that changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.build import build, opened_prompts, policy
from gateway.config import Config, ConfigError, parse
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask, Grounding
from tests.gateway.asking import helped, span

pytestmark = pytest.mark.anyio
OWN = '+++\nabout = "x"\nlanguage = "en"\n+++\n{text}\n'


def written(folder: Path, name: str, text: str) -> str:
    """A prompt of the operator's; returns the section that names its folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(OWN.replace("{text}", text))
    return f'[context]\nprompts = "{folder}"\n'


async def test_a_model_is_told_what_the_operator_wrote_and_the_trace_says_so(
    tmp_path: Path,
) -> None:
    section = written(tmp_path / "own", "open.v3.txt", "Sing.")
    async with helped(tmp_path, section) as helping:
        _, spans = await helping.told("May goods be sent back?", grounding="open")
    told = span(spans, "pack").attributes
    assert told["instructions"] == "open@v3"
    assert told["prompt"][0]["content"] == "Sing."


async def test_another_wording_misses_the_cache(tmp_path: Path) -> None:
    config = parse(written(tmp_path, "open.v3.txt", "Sing."))
    before = policy(config, await opened_prompts(config))
    assert before == policy(config, await opened_prompts(config))
    written(tmp_path, "open.v3.txt", "Dance.")
    assert policy(config, await opened_prompts(config)) != before


async def test_a_prompt_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    section = written(tmp_path / "own", "open.v3.txt", "{who}")
    config = parse(f'data = "{tmp_path / "data"}"\n{section}')
    with pytest.raises(ConfigError, match=r"`context\.prompts`: open\.v3\.txt: .*\{who\}"):
        async with build(config):
            pass


ROUTE = '[routing.tasks.code]\nuse = ["sim/simulated"]\nprompt = "{name}"\n'


@pytest.mark.parametrize("grounding", ["off", "open"])
async def test_a_task_is_told_its_own_prompt_before_what_the_client_says(
    tmp_path: Path, grounding: Grounding
) -> None:
    async with helped(tmp_path, ROUTE.format(name="code")) as helping:
        trace, question = Trace(), "Write a Python function that sends goods back."
        messages = (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": question},
        )
        ask = Ask("auto", messages, question, collection="default", grounding=grounding)
        await collect((await helping.gateway.answer(None, ask, trace)).events)
    told = span(trace.spans, "pack").attributes
    assert told["route_instructions"] == "code@v1"
    (system, _) = told["prompt"]
    assert system["content"].endswith("\n\nBe brief.")
    assert "You answer questions about programs." in system["content"]
    assert system["content"].startswith("You answer questions ")


@pytest.mark.parametrize(
    ("name", "why"), [("nobody", "There is no prompt 'nobody'"), ("solve", "{part} is missing")]
)
async def test_a_task_names_a_prompt_that_is_there_and_takes_nothing(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        await opened_prompts(parse(ROUTE.format(name=name)))


async def test_without_a_folder_the_packaged_ones_are_used() -> None:
    assert (await opened_prompts(Config())).used("strict").packaged
