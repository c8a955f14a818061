"""The official Node clients, OpenAI's and Anthropic's, at the doors besides chat."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import World

SCRIPT = Path(__file__).with_name("doors_node.mjs")
MODULES = Path(__file__).parents[2] / "node_modules"
QUESTION = "Within how many days may customers in the EU return goods?"


@pytest.fixture(scope="module")
def seen(world: World) -> dict[str, Any]:
    node = shutil.which("node")
    clients = (MODULES / "openai", MODULES / "@anthropic-ai" / "sdk")
    if node is None or not all(client.is_dir() for client in clients):
        pytest.skip("node or an npm package is not installed (npm ci)")
    ran = subprocess.run(
        [node, str(SCRIPT), world.api, QUESTION],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_responses_come_whole_streamed_with_tools_and_go_on(seen: dict[str, Any]) -> None:
    told = seen["responses"]
    assert "within 30 days of delivery" in told["text"]
    assert told["note"] == "EU returns policy"
    assert told["same"] is True
    assert told["calls"] == ["Paris", "Rome"]
    assert told["answered"] == "The tools said: wet; wet."


def test_responses_fail_as_the_client_expects(seen: dict[str, Any]) -> None:
    assert seen["responses"]["error"] == [404, "previous_response_id", True]
    assert seen["responses"]["cut"] is True


def test_messages_come_whole_streamed_and_with_tools(seen: dict[str, Any]) -> None:
    told = seen["messages"]
    assert "within 30 days of delivery" in told["text"]
    assert told["same"] is True
    assert (told["calls"], told["stop"]) == (["Paris", "Rome"], "tool_use")
    assert told["answered"] == "The tools said: wet; wet."
    assert told["counted"] > 0


def test_messages_fail_as_the_client_expects(seen: dict[str, Any]) -> None:
    assert seen["messages"]["error"] == [404, "not_found_error", True]
    assert seen["messages"]["cut"] is True


def test_completions_come_whole_and_streamed(seen: dict[str, Any]) -> None:
    assert seen["completions"] == {"texts": ["one", "two"], "streamed": ["one", "two"]}


def test_embeddings_come_in_order(seen: dict[str, Any]) -> None:
    assert seen["embeddings"]["lengths"] == [1, 2, 3, 4]
