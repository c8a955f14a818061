"""LoRAX's API against the whole gateway: on the wire, and with LoRAX's own client where
MOORLINE_LORAX_PYTHON names a Python that has it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import World

QUESTION = "Within how many days may customers in the EU return goods?"
ANSWER = "within 30 days of delivery"


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{world.url}/lorax", timeout=30) as client:
        yield client


def asked(stream: bool = False, **parameters: Any) -> dict[str, Any]:
    return {"inputs": QUESTION, "stream": stream, "parameters": {"details": True} | parameters}


@pytest.mark.parametrize("path", ["", "/"])
def test_the_base_url_gives_a_list_of_one_with_its_tokens(world: World, path: str) -> None:
    (told,) = httpx.post(f"{world.url}/lorax{path}", json=asked(), timeout=30).json()
    assert ANSWER in told["generated_text"]
    assert told["details"]["tokens"][0]["logprob"] == 0.0
    assert told["details"]["finish_reason"] == "eos_token"


def test_generate_gives_one_answer_and_says_in_headers_what_is_known(client: httpx.Client) -> None:
    answer = client.post("/generate", json=asked())
    tokens = answer.json()["details"]["generated_tokens"]
    assert answer.headers["x-generated-tokens"] == str(tokens)
    assert answer.headers["x-model-id"] == "extractive/extractive"


@pytest.mark.parametrize(("path", "stream"), [("/", True), ("/generate_stream", False)])
def test_a_stream_ends_with_the_whole_text_and_no_mark(
    client: httpx.Client, path: str, stream: bool
) -> None:
    answer = client.post(path, json=asked(stream))
    assert answer.headers["content-type"].startswith("text/event-stream")
    *frames, end = answer.text.split("\n\n")
    events = [json.loads(frame.removeprefix("data:")) for frame in frames]
    assert end == ""
    assert "".join(each["token"]["text"] for each in events) == events[-1]["generated_text"]
    assert ANSWER in events[-1]["generated_text"]


def test_an_unknown_adapter_is_not_found(client: httpx.Client) -> None:
    answer = client.post("/generate", json=asked(adapter_id="nobody"))
    assert (answer.status_code, answer.json()["error_type"]) == (404, "not_found")


def test_what_is_not_done_is_refused_with_its_reason(client: httpx.Client) -> None:
    merged = {"ids": ["a", "b"], "weights": [0.5, 0.5]}
    answer = client.post("/", json=asked(merged_adapters=merged))
    assert (answer.status_code, answer.json()["error_type"]) == (422, "validation")
    assert "not merged on request" in answer.json()["error"]


def test_it_tells_of_itself(client: httpx.Client) -> None:
    assert client.get("/info").json()["model_id"] == "auto"
    assert client.get("/health").status_code == 200


def test_loraxs_own_client_works(world: World) -> None:
    python = os.environ.get("MOORLINE_LORAX_PYTHON")
    if not python:
        pytest.skip("MOORLINE_LORAX_PYTHON does not name a Python that has lorax-client")
    script = str(Path(__file__).with_name("lorax_client.py"))
    run = subprocess.run(
        [python, "-W", "ignore", script, f"{world.url}/lorax", QUESTION],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    text = told["text"]
    assert ANSWER in text
    assert (told["tokens"], told["streamed"], told["last"]) == (text, text, text)
    assert told["awaited"] == [text, text]
    assert told["finish"] == "eos_token"
    assert told["unknown"][0] == told["stream"][0] == "NotFoundError"
    assert told["merged"][0] == "ValidationError"
    assert told["token"][0] == "ValidationError"
    assert "hf_secret" not in told["token"][1]
