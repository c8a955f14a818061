"""What of LoRAX's requests is asked of the pipeline, and what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.api.lorax.request import Generate, read_generate
from gateway.errors import Unprocessable

CLIENTS_OWN: dict[str, Any] = {  # what lorax-client 0.6.3 sends for `generate("Where?")`
    "adapter_id": None, "adapter_source": None, "merged_adapters": None, "api_token": None,
    "do_sample": False, "max_new_tokens": None, "ignore_eos_token": False,
    "repetition_penalty": None, "return_full_text": False, "stop": [], "seed": None,
    "temperature": None, "top_k": None, "top_p": None, "truncate": None, "typical_p": None,
    "best_of": None, "watermark": False, "details": True, "decoder_input_details": False,
    "return_k_alternatives": None, "response_format": None,
}  # fmt: skip


def read(streams: bool | None = None, stream: bool = False, **parameters: Any) -> Generate:
    body = {"inputs": "Where?", "stream": stream, "parameters": CLIENTS_OWN | parameters}
    return read_generate(orjson.dumps(body), streams)


def test_a_prompt_is_a_users_turn() -> None:
    asked = read()
    assert asked.ask.messages == ({"role": "user", "content": "Where?"},)
    assert (asked.ask.model, asked.ask.question, asked.ask.door) == ("auto", "Where?", "lorax")


def test_without_parameters_it_is_greedy_and_nothing_else_is_said() -> None:
    assert read_generate(b'{"inputs": "Where?"}', False).ask.params == {"temperature": 0.0}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"do_sample": True}, {"temperature": 1.0}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"top_k": 5}, {"temperature": 1.0, "top_k": 5}),
        ({"top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}),
        ({"max_new_tokens": 3}, {"temperature": 0.0, "max_tokens": 3}),
        ({"seed": 0}, {"temperature": 0.0, "seed": 0}),
        ({"stop": ["\n"]}, {"temperature": 0.0, "stop": ["\n"]}),
        ({"repetition_penalty": 1.1}, {"temperature": 0.0, "repetition_penalty": 1.1}),
        ({"frequency_penalty": 0.1}, {"temperature": 0.0, "frequency_penalty": 0.1}),
        ({"presence_penalty": 0.1}, {"temperature": 0.0, "presence_penalty": 0.1}),
        ({"ignore_eos_token": True}, {"temperature": 0.0, "ignore_eos": True}),
        (
            {"return_k_alternatives": 2},
            {"temperature": 0.0, "logprobs": True, "top_logprobs": 2},
        ),
        (
            {"response_format": {"type": "json_object"}},
            {"temperature": 0.0, "response_format": {"type": "json_object"}},
        ),
        ({"best_of": 1, "apply_chat_template": True}, {"temperature": 0.0}),
    ],
)
def test_a_parameter_is_a_chats_of_the_same_meaning(
    given: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert read(**given).ask.params == asked


def test_a_schema_is_the_answers() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    asked = read(response_format={"type": "json_object", "schema": schema}).ask.params
    assert asked["response_format"]["json_schema"]["schema"] == schema


def test_an_adapter_is_asked_for_by_its_name() -> None:
    assert read(adapter_id="support", adapter_source="hub").ask.adapter == "support"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"merged_adapters": {"ids": ["a", "b"], "weights": [1, 1]}}, "not merged on request"),
        ({"best_of": 2}, "one answer is made"),
        ({"typical_p": 0.5}, "use top_p"),
        ({"truncate": 10}, "shorten it"),
        ({"watermark": True}, "marks its answers"),
        ({"decoder_input_details": True}, "are not told"),
    ],
)
def test_what_is_not_done_is_refused_by_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Unprocessable, match=why) as caught:
        read(**given)
    assert caught.value.param == f"parameters.{next(iter(given))}"


def test_a_stream_tells_no_alternatives() -> None:
    with pytest.raises(Unprocessable, match="a stream tells none"):
        read(True, return_k_alternatives=2)


def test_a_token_for_a_hub_is_refused_and_not_repeated() -> None:
    with pytest.raises(Unprocessable) as caught:
        read(api_token="hf_secret")
    assert "hf_secret" not in caught.value.message


@pytest.mark.parametrize(
    "given",
    [{"temperature": 0}, {"top_p": 2}, {"max_new_tokens": 0}, {"unheard_of": 1}, {"stop": "x"}],
)
def test_what_lorax_does_not_take_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable) as caught:
        read(**given)
    assert caught.value.param == f"parameters.{next(iter(given))}"


@pytest.mark.parametrize(
    ("path", "body", "streams"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_the_path_says_whether_it_streams_or_else_the_body(
    path: bool | None, body: bool, streams: bool
) -> None:
    assert read(path, body).stream is streams
