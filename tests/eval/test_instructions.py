"""Instruction data, and how models that were asked it are compared."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from eval.datasets import BadDataset
from eval.instructions import Instruction, part, problems, read
from eval.suites.instructions import Answered, command, compared
from eval.train.cli import group as train

EXAMPLE = Path(__file__).parents[2] / "examples" / "fine_tuning" / "tickets.jsonl"


def row(line: int, output: str, prompt: str = "Name the team.") -> Instruction:
    return Instruction(line, prompt, "", output)


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "data.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return file


def test_a_list_and_lines_say_the_same(tmp_path: Path) -> None:
    rows = [{"instruction": "a", "input": "b", "output": "c"}, {"instruction": "d", "output": "e"}]
    listed = tmp_path / "data.json"
    listed.write_text(json.dumps(rows))
    assert read(listed) == read(written(tmp_path, *rows))
    assert [each.prompt for each in read(listed)] == ["a\n\nb", "d"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no instructions"),
        ('{"instruction": "a", "output": "b"}\nnot json', "line 2: no JSON"),
        ('{"instruction": "a"}', "line 1"),
        ('{"instruction": " ", "output": "b"}', "line 1"),
        ('{"instruction": "a", "output": 5}', "line 1"),
        ("[1]", "line 1"),
    ],
)
def test_what_is_no_instruction_is_refused_by_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text(text)
    with pytest.raises(BadDataset, match=says):
        read(file)


def test_what_contradicts_or_must_not_be_learned_is_wrong_and_what_comes_twice_is_odd() -> None:
    rows = [row(1, "billing"), row(2, "billing"), row(3, "returns"), row(4, "")]
    rows.append(row(5, "sure", "Write to jane.doe@example.com"))
    found = {each.line: each for each in problems(rows)}
    assert [(line, each.wrong) for line, each in found.items()] == [
        (2, False),
        (3, True),
        (4, True),
        (5, True),
    ]
    assert "email" in found[5].what
    assert "jane" not in found[5].what


def test_a_prompt_is_on_one_side_however_it_is_written() -> None:
    rows = [row(n, "x", f"Prompt {n}") for n in range(300)]
    again = [row(n, "y", f"  prompt\n{n}") for n in range(300)]
    tested = {each.line for each in part(rows, "test")}
    assert tested == {each.line for each in part(again, "test")}
    assert 30 < len(tested) < 90
    assert len(part(rows, "train")) == 300 - len(tested)
    assert part(rows, "all") == rows


def test_the_example_is_sound() -> None:
    assert not problems(read(EXAMPLE))


def test_a_model_that_fails_scores_nothing_and_is_said_to_have_failed() -> None:
    asked = [row(n, "billing") for n in range(4)]
    base = Answered("base", ["Billing.", "returns", "returns", None])
    tuned = Answered("tuned", ["billing"] * 4)
    first, second = compared(asked, [base, tuned])
    assert (first.exact.mean, first.failed, first.gained) == (0.25, 1, None)
    assert second.gained is not None
    assert second.gained.mean == 0.75


@pytest.mark.anyio
async def test_models_are_asked_through_the_gateway_and_compared(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body | {"cache": request.headers["x-moorline-cache"]})
        message = {"role": "assistant", "content": "billing" if body["model"] == "t@2" else "?"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        return web.json_response({**head, "choices": [choice]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    data = written(tmp_path, *({"instruction": f"{n}", "output": "billing"} for n in range(9)))
    out = tmp_path / "out.json"
    async with TestServer(app) as server:
        url = str(server.make_url("/v1"))
        args = ["--data", str(data), "--model", "base", "--model", "t@2", "--url", url]
        ran = await _invoked([*args, "--part", "all", "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    assert [each["exact"]["mean"] for each in json.loads(out.read_text())] == [0.0, 1.0]
    assert {each["cache"] for each in asked} == {"off"}
    assert {each["moorline"]["grounding"] for each in asked} == {"off"}


async def _invoked(args: list[str]) -> Any:
    """In a thread, since a command has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, command, args)


def test_the_check_names_what_is_wrong(tmp_path: Path) -> None:
    good = {"instruction": "a", "output": "b"}
    bad = written(tmp_path, good, {"instruction": "a", "output": "c"})
    found = CliRunner().invoke(train, ["check", str(bad)])
    assert found.exit_code == 1
    assert "line 2 has the prompt, and not the output, of line 1" in found.output
    assert CliRunner().invoke(train, ["check", str(EXAMPLE)]).exit_code == 0
