"""What users of the official client see when the upstream misbehaves."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from eval.bench.faults.saying import text_of
from eval.bench.faults.upstream import prompt
from tests.faults.conftest import ONE, World

REQUEST = "officialclient"

pytestmark = pytest.mark.parametrize("world", [ONE], ids=["one"], indirect=True)


@pytest.fixture
def client(world: World) -> Iterator[OpenAI]:
    with OpenAI(base_url=world.url, api_key=world.key(), max_retries=0) as client:
        yield client


def asked(fault: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": prompt(fault, REQUEST)}]


def whole(client: OpenAI, fault: str) -> str | None:
    answer = client.chat.completions.create(
        model=f"faults/{fault}", messages=asked(fault), max_tokens=100
    )
    return answer.choices[0].message.content


def pieces(client: OpenAI, fault: str) -> Iterator[str]:
    with client.chat.completions.create(
        model=f"faults/{fault}-stream", messages=asked(fault), max_tokens=100, stream=True
    ) as stream:
        for chunk in stream:
            yield (chunk.choices[0].delta.content if chunk.choices else None) or ""


@pytest.mark.parametrize("fault", ["reset", "status-500", "html", "empty-body", "error-in-200"])
def test_no_answer_is_a_server_error_before_the_first_piece(client: OpenAI, fault: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        whole(client, fault)
    assert (caught.value.status_code, caught.value.code) == (503, "no_model_available")
    with pytest.raises(openai.InternalServerError):
        next(pieces(client, fault))


def test_a_wait_that_the_upstream_asks_for_is_passed_on(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        whole(client, "status-429-retry-after")
    assert float(caught.value.response.headers["retry-after"]) > 1


def test_what_the_caller_did_wrong_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        whole(client, "status-400")


@pytest.mark.parametrize("fault", ["cut", "stall", "no-end", "error-after-words", "not-utf8"])
def test_an_answer_that_breaks_off_raises_after_what_came(client: OpenAI, fault: str) -> None:
    came = ""
    with pytest.raises(openai.APIError) as caught:  # noqa: PT012, what came before it counts
        for piece in pieces(client, fault):
            came += piece
    assert came
    assert text_of(REQUEST).startswith(came)
    assert caught.value.code == "provider_timeout" if fault == "stall" else "provider_error"


@pytest.mark.parametrize("fault", ["split-characters", "stale-connection", "until-close"])
def test_what_can_be_put_right_is_not_seen(client: OpenAI, fault: str) -> None:
    assert whole(client, fault) == text_of(REQUEST)
    assert "".join(pieces(client, fault)) == text_of(REQUEST)
