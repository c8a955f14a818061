"""OpenAI's official Python client, its embeddings, against the whole gateway."""

from __future__ import annotations

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.conftest import World
from tests.e2e.leaving import ask_and_leave, is_left


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=30)


def test_many_inputs_are_split_into_batches_and_put_back_in_order(
    client: OpenAI, world: World
) -> None:
    world.gifted.sizes.clear()
    made = client.embeddings.create(model="vectors", input=["a", "bb", "ccc", "dd", "e", "ff", "g"])
    assert [each.embedding[0] for each in made.data] == [1, 2, 3, 2, 1, 2, 1]
    assert [chr(int(each.embedding[1])) for each in made.data] == list("abcdefg")
    assert sorted(world.gifted.sizes) == [1, 3, 3]
    assert made.usage.prompt_tokens == 12
    assert made.model == "gifted/vectors"


def test_one_text_and_tokens_are_taken_as_they_are(client: OpenAI, world: World) -> None:
    made = client.embeddings.create(model="gifted/vectors", input="four", dimensions=2)
    assert made.data[0].embedding[0] == 4
    assert (world.gifted.last["input"], world.gifted.last["dimensions"]) == (["four"], 2)
    client.embeddings.create(model="vectors", input=[7, 8])
    assert world.gifted.last["input"] == [[7, 8]]


@pytest.mark.parametrize("model", ["vectors", "auto"])
def test_base64_is_the_same_as_numbers(client: OpenAI, model: str) -> None:
    packed = client.embeddings.create(model=model, input="a boat")
    plain = client.embeddings.create(model=model, input="a boat", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)


def test_what_it_cost_is_told_and_written(world: World) -> None:
    body = {"model": "vectors", "input": ["x" * 500, "y" * 500]}
    response = httpx.post(f"{world.api}/embeddings", json=body)
    assert float(response.headers["x-moorline-cost-usd"]) == pytest.approx(0.001)
    assert response.headers["x-moorline-model"] == "gifted/vectors"


def test_what_must_not_go_on_does_not(client: OpenAI, world: World) -> None:
    client.embeddings.create(model="vectors", input="My card is 4111 1111 1111 1111.")
    assert world.gifted.last["input"] == ["My card is [CREDIT_CARD]."]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": []}, 400, "input"),
        ({"input": " "}, 400, "input"),
        ({"input": [1, 2]}, 400, "input"),
        ({"input": "x", "dimensions": 7}, 400, "dimensions"),
        ({"input": "x", "model": "nobody"}, 404, "model"),
        ({"input": "x", "encoding_format": "int8"}, 400, "encoding_format"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(
    client: OpenAI, body: dict[str, object], status: int, param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.post("/embeddings", body={"model": "auto"} | body, cast_to=object)
    assert caught.value.status_code == status
    assert (caught.value.param or "").startswith(param)


def test_a_client_that_leaves_closes_the_upstream(world: World) -> None:
    with is_left(world.gifted):
        ask_and_leave(f"{world.api}/embeddings", {"model": "patient", "input": "x"})


def test_a_caller_may_say_how_long_it_waits(client: OpenAI, world: World) -> None:
    with is_left(world.gifted), pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(
            model="patient", input="x", extra_headers={"x-request-timeout": "0.1"}
        )
    assert (caught.value.status_code, caught.value.code) == (504, "provider_timeout")


def test_models_that_embed_are_listed(client: OpenAI) -> None:
    assert "gifted/vectors" in [model.id for model in client.models.list()]
