"""The recipe of examples/fine_tuning from instructions to a promoted adapter, on a tiny model.

Needs the extra `transformers`.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from openai import OpenAI

from eval.cli import group as evaluate
from eval.instructions import part, read
from eval.train.cli import group as train
from gateway.commands.adapters import adapters
from gateway.config import load
from tests.serving import serving
from tests.tiny import write_model

for library in ("torch", "transformers", "peft"):
    pytest.importorskip(library, reason=f"{library} is not installed (extra transformers)")

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "examples" / "fine_tuning"
CONFIG = """
data = "{folder}/data"
grounding = {{ mode = "off" }}
adapters = {{ shadow = {{ share = 1.0, max_in_flight = 64 }} }}
[providers.local]
kind = "transformers"
models = [{{ name = "{folder}/base" }}]
lora = {{ max_rank = 8 }}
[models.base]
use = ["local/{folder}/base"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model, two adapters of it that were trained for longer and longer, and a file."""
    folder = tmp_path_factory.mktemp("recipe")
    _write_base(folder / "base")
    (folder / "moorline.toml").write_text(CONFIG.format(folder=folder))
    for name, steps in (("short", 4), ("long", 60)):
        command = [
            *(sys.executable, str(RECIPE / "train.py"), "--model", str(folder / "base")),
            *("--data", str(RECIPE / "tickets.jsonl"), "--out", str(folder / name)),
            *("--rank", "8", "--rate", "5e-3", "--steps", str(steps)),
        ]
        subprocess.run(command, check=True, cwd=ROOT, env=_path(), capture_output=True)
    return folder


def _write_base(folder: Path) -> None:
    """One that has learned what such conversations look like: it names teams at random."""
    import torch  # type: ignore[import-not-found,unused-ignore]
    from transformers import (  # type: ignore[import-not-found,unused-ignore]
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
    )

    write_model(folder)
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lesson = runpy.run_path(str(RECIPE / "train.py"))["lesson"]
    rows, chosen = part(read(RECIPE / "tickets.jsonl"), "train"), random.Random(1)
    teams = sorted({row.output for row in rows})
    learning = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(150):
        some = [replace(row, input="", output=chosen.choice(teams)) for row in rows[:16]]
        lessons = [lesson(tokenizer, row, 1024) for row in some]
        tokenizer.padding_side = "right"
        padded = tokenizer.pad(
            {"input_ids": [each["input_ids"] for each in lessons]}, return_tensors="pt"
        )
        longest = padded["input_ids"].shape[1]
        labels = [each["labels"] + [-100] * (longest - len(each["labels"])) for each in lessons]
        loss = model(**padded, labels=torch.tensor(labels)).loss
        learning.zero_grad()
        loss.backward()
        learning.step()
    model.save_pretrained(folder)


def _path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[str]:
    with serving(load(folder / "moorline.toml")) as served:
        yield served.url


def typed(folder: Path, *words: str) -> str:
    result: Result = CliRunner().invoke(
        adapters, [words[0], "--config", str(folder / "moorline.toml"), *words[1:]]
    )
    assert result.exit_code == 0, result.output
    return result.output


def asked(folder: Path, url: str, *models: str) -> list[dict[str, Any]]:
    out = folder / "scores.json"
    words = ["instructions", "--data", str(RECIPE / "tickets.jsonl"), "--url", url, "--limit", "30"]
    words += ["--max-tokens", "12", "--json", str(out)]
    for model in models:
        words += ["--model", model]
    result = CliRunner().invoke(evaluate, words)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


@pytest.mark.filterwarnings("ignore")
def test_from_instructions_to_a_promoted_adapter_and_back(folder: Path, running: str) -> None:
    assert CliRunner().invoke(train, ["check", str(RECIPE / "tickets.jsonl")]).exit_code == 0
    assert "support@1" in typed(folder, "add", str(folder / "short"), "--name", "support")
    assert "promote support@2" in typed(folder, "add", str(folder / "long"), "--name", "support")

    base, first, second = asked(folder, f"{running}/v1", "base", "support@1", "support@2")
    assert not base["failed"] + first["failed"] + second["failed"]
    assert second["exact"]["mean"] > base["exact"]["mean"]

    typed(folder, "promote", "support@2", "--as", "shadow")
    client = OpenAI(api_key="none", base_url=f"{running}/v1")
    asked(folder, f"{running}/v1", "support")
    seen = json.loads(typed(folder, "compare", "support@shadow", "--json"))
    assert seen["live"] == "local/support@1"
    assert seen["asked"] > 0
    assert seen["same"] < 1

    def model() -> str:
        messages: Any = [{"role": "user", "content": "Where is my parcel?"}]
        answer = client.chat.completions.create(model="support", messages=messages, max_tokens=4)
        return str(answer.model)

    typed(folder, "promote", "support@2")
    assert _soon(model, "support@2")
    typed(folder, "rollback", "support")
    assert _soon(model, "support@1")


def _soon(ask: Any, wanted: str) -> bool:
    """A running gateway follows the register within a second."""
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        if wanted in ask():
            return True
        time.sleep(0.1)
    return False
