"""The official Node client against the whole gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import World

SCRIPT = Path(__file__).with_name("openai_node.mjs")
CLIENT = Path(__file__).parents[2] / "node_modules" / "openai"


@pytest.fixture(scope="module")
def seen(world: World) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None or not CLIENT.is_dir():
        pytest.skip("node or the npm package openai is not installed (npm ci)")
    left = world.upstream.left
    question = "Within how many days may customers in the EU return goods?"
    ran = subprocess.run(
        [node, str(SCRIPT), world.api, question],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    deadline = time.monotonic() + 1
    while world.upstream.left == left and time.monotonic() < deadline:
        time.sleep(0.02)
    return {**json.loads(ran.stdout), "left": world.upstream.left - left}


def test_a_plain_answer_is_parsed_with_its_citation(seen: dict[str, Any]) -> None:
    assert "within 30 days of delivery" in seen["text"]
    assert (seen["citation"], seen["grounded"]) == ("EU returns policy", True)


def test_a_stream_is_parsed_with_usage_and_sources(seen: dict[str, Any]) -> None:
    assert seen["streamed"]
    assert seen["tokens"] > 0
    assert seen["sources"] > 0


def test_an_error_has_status_code_type_and_param(seen: dict[str, Any]) -> None:
    assert seen["error"] == [404, "model_not_found", "invalid_request_error", "model", True]


def test_a_cut_stream_is_an_error(seen: dict[str, Any]) -> None:
    assert seen["cut"] is True


def test_an_aborted_stream_closes_the_upstream(seen: dict[str, Any]) -> None:
    assert seen["left"] == 1


def test_models_are_listed(seen: dict[str, Any]) -> None:
    assert seen["models"] >= 4
