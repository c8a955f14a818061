"""`moorline route explain` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.route import route

CONFIG = """
[providers.us]
kind = "simulated"
region = "US"
models = [
  { name = "small", window = 4000, input_usd_per_million = 1, latency = 2 },
  { name = "large", input_usd_per_million = 9, latency = 1, quality = 0.9 },
]
[providers.eu]
kind = "simulated"
region = "EU"
models = [{ name = "small", lacks = ["vision"], input_usd_per_million = 2, latency = 3 }]
[[routing.rules]]
name = "long programs"
when = "task = 'code' and tokens > 8000"
use = ["us/large"]
[routing]
cheap = ["us/small"]
strong = ["us/large"]
strong_share = 1
last_resort = ["extractive"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "moorline.toml"
    file.write_text(CONFIG)
    return file


def explained(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(route, ["explain", "--config", str(config), *arguments])


def test_rules_candidates_and_the_reason_are_shown(config: Path) -> None:
    shown = explained(config, "Compare the two policies step by step").output.splitlines()
    assert shown[0].startswith("task question, complexity complex, p_cheap 0.")
    assert shown[1] == "rule 'long programs' does not hold: task = 'code' and tokens > 8000"
    assert shown[2].startswith("strong: us/large, since the cheap model will do with p = 0.")
    assert shown[2].endswith(": not enough for strong_share = 1.")
    assert [line.split() for line in shown[5:7]] == [
        ["1", "us/large", "8.1e-05", "1", "0.9", "us/large"],
        ["2", "us/small", "9e-06", "2", "-", "us/small"],
    ]
    assert shown[-1] == "tried in this order: us/large, us/small, extractive/extractive"


def test_who_is_left_out_is_named_with_the_reason(config: Path) -> None:
    shown = explained(config, "How long?", "--region", "EU", "--model", "auto:cheap").output
    assert "auto:cheap: eu/small, since its expected cost is the least of 1." in shown
    assert "left out: us/large, runs in US, not in eu" in shown


def test_what_cannot_be_answered_is_told_as_the_client_is(config: Path) -> None:
    asked = ("Who is that?", "--image", "--may-use", "eu/small", "--model", "auto:best")
    shown = explained(config, *asked)
    assert shown.exit_code == 0
    assert shown.output == "No model can be asked for 'auto:best': eu/small lacks vision.\n"


def test_everything_is_there_as_json(config: Path) -> None:
    shown = json.loads(explained(config, "How long?", "--json").output)
    assert (shown["reason"], shown["targets"][0]) == ("strong", "us/large")
    assert 0 < shown["signals"]["p_cheap"] < 1
    assert shown["candidates"][1] == {
        "model": "us/small",
        "cost_usd": 2e-6,
        "latency_s": 2,
        "targets": ["us/small"],
    }
