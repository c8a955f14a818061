"""How well models follow instructions: what a fine-tuned one has gained over its base, asked
through a running gateway like any client.

An output is held against the one that the data has, so this suits tasks with one right answer
(labels, fields, fixed forms); for prose the F1 says how much of the wording was met and no more.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from openai import AsyncOpenAI, OpenAIError

from eval.datasets import BadDataset
from eval.instructions import Instruction, Part, part, problems, read
from eval.likeness import normalised, overlap
from eval.metrics import Estimate, difference, estimate
from eval.suites import options

LOCAL = "http://127.0.0.1:8080/v1"


@dataclass(frozen=True, slots=True)
class Row:
    """One model."""

    model: str
    failed: int  # requests without an answer; they score 0
    exact: Estimate  # the share of answers that are the wanted one, but for case and punctuation
    f1: Estimate
    gained: Estimate | None  # exact, over the first model, of the same instructions


@dataclass(frozen=True, slots=True)
class Answered:
    """One model's answers, None where there is none."""

    model: str
    texts: Sequence[str | None]


@click.command("instructions")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instructions in Alpaca's layout: a JSON list, or a JSON object a line.",
)
@click.option(
    "--model", "models", required=True, multiple=True, help="To be asked; repeat, the base first."
)
@click.option("--url", default=LOCAL, show_default=True, help="A gateway's base URL.")
@click.option(
    "--part",
    "wanted",
    type=click.Choice(["test", "train", "all"]),
    default="test",
    show_default=True,
    help="A fifth is never learned from by `examples/fine_tuning/train.py`: test.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first instructions.")
@click.option("--together", type=click.IntRange(min=1), default=8, help="Requests at once.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=256, show_default=True)
@options.as_json
def command(
    data: Path,
    models: tuple[str, ...],
    url: str,
    wanted: Part,
    limit: int | None,
    together: int,
    max_tokens: int,
    json_file: Path | None,
) -> None:
    """Ask models the same instructions, and compare them. The key is OPENAI_API_KEY's."""
    try:
        rows = read(data)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    if wrong := sum(problem.wrong for problem in problems(rows)):
        click.echo(f"{wrong} examples are wrong; `moorline train check` names them.", err=True)
    asked = part(rows, wanted)[:limit]
    if not asked:
        raise click.ClickException(f"{data} has no instructions for this part.")
    answers = asyncio.run(_answers(asked, models, url, together, max_tokens))
    found = compared(asked, answers)
    for row in found:
        gained = f", gained {row.gained:+}" if row.gained else ""
        failed = f", {row.failed} failed" if row.failed else ""
        click.echo(f"{row.model:24}{row.exact.n:6} exact {row.exact}, F1 {row.f1}{gained}{failed}")
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")


def compared(asked: Sequence[Instruction], answers: Sequence[Answered]) -> list[Row]:
    """In the order of the models; the first is what others are held against."""
    rows: list[Row] = []
    first: list[float] = []
    for answered in answers:
        pairs = [(text or "", row.output) for text, row in zip(answered.texts, asked, strict=True)]
        exact = [float(normalised(said) == normalised(wanted)) for said, wanted in pairs]
        f1 = [overlap(said, wanted) for said, wanted in pairs]
        gained = difference(exact, first) if first else None
        failed = sum(text is None for text in answered.texts)
        rows.append(Row(answered.model, failed, estimate(exact), estimate(f1), gained))
        first = first or exact
    return rows


async def _answers(
    asked: Sequence[Instruction],
    models: Sequence[str],
    url: str,
    together: int,
    max_tokens: int,
) -> list[Answered]:
    turns = asyncio.Semaphore(together)
    key = os.environ.get("OPENAI_API_KEY") or "none"
    async with AsyncOpenAI(api_key=key, base_url=url) as client:

        async def said(model: str, prompt: str) -> str | None:
            async with turns:
                try:
                    answer = await client.chat.completions.create(
                        model=model,
                        messages=[{"role": "user", "content": prompt}],
                        temperature=0,
                        max_tokens=max_tokens,
                        extra_headers={"x-moorline-cache": "off"},
                        extra_body={"moorline": {"grounding": "off"}},
                    )
                except OpenAIError as error:
                    click.echo(f"{model}: {error}", err=True)
                    return None
            return answer.choices[0].message.content or ""

        return [
            Answered(model, await asyncio.gather(*(said(model, row.prompt) for row in asked)))
            for model in models
        ]
