"""The official Python client against the whole gateway, through a real socket."""

from __future__ import annotations

import time

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from tests.e2e.conftest import World

QUESTION = "Within how many days may customers in the EU return goods?"


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=30)


def say(text: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


def test_a_question_is_answered_from_the_documents_with_citations(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=say(QUESTION))
    message = answer.choices[0].message
    about = (answer.model_extra or {})["moorline"]
    assert "within 30 days of delivery" in (message.content or "")
    assert about["grounded"] is True
    cited = [source for source in about["sources"] if source["cited"]]
    assert cited[0]["document"] == "returns-eu.md"
    note = (message.annotations or [])[0].url_citation
    assert (message.content or "")[note.start_index : note.end_index] == f"[{cited[0]['n']}]"
    assert note.title == "EU returns policy"
    assert answer.model == "extractive/extractive"


def test_what_is_not_in_the_documents_is_said_to_be_missing(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="auto",
        messages=say("Who won the football world cup in 1954?"),
    )
    assert answer.choices[0].message.content == "The documents do not answer this question."
    assert (answer.model_extra or {})["moorline"]["grounded"] is False


def test_a_stream_tells_the_same_as_the_whole_answer(client: OpenAI) -> None:
    whole = client.chat.completions.create(
        model="sim/simulated",
        messages=say(QUESTION),
        extra_body={"moorline": {"cache": False}},
    )
    stream = client.chat.completions.create(
        model="sim/simulated",
        messages=say(QUESTION),
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"moorline": {"cache": False}},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert (chunks[-1].model_extra or {})["moorline"]["sources"]


def test_headers_say_what_answered_and_what_it_cost(world: World) -> None:
    body = {
        "model": "cloud/wordy",
        "messages": say("Tell me something."),
        "moorline": {"grounding": "off"},
    }
    response = httpx.post(f"{world.api}/chat/completions", json=body, timeout=30)
    about = response.json()["moorline"]
    assert response.headers["x-moorline-trace-id"] == about["trace_id"]
    assert response.headers["x-moorline-model"] == "cloud/wordy"
    assert response.headers["x-moorline-cache"] == "off"
    assert float(response.headers["x-moorline-cost-usd"]) == pytest.approx(about["cost_usd"])
    assert about["cost_usd"] > 0


def test_the_second_same_question_is_an_exact_hit(client: OpenAI, world: World) -> None:
    question = say("What does error E-417 mean?")
    first = client.chat.completions.create(model="auto", messages=question)
    second = client.chat.completions.create(model="auto", messages=question)
    states = [(a.model_extra or {})["moorline"]["cache"] for a in (first, second)]
    assert states == ["miss", "exact"]
    assert second.choices[0].message.content == first.choices[0].message.content
    assert (second.model_extra or {})["moorline"]["cost_usd"] == 0


def test_an_answer_that_is_not_to_be_stored_is_given_to_nobody_again(client: OpenAI) -> None:
    asked = say(f"{QUESTION} Do not remember it.")
    states = []
    for _ in range(2):
        answer = client.chat.completions.create(
            model="auto", messages=asked, extra_headers={"cache-control": "no-store"}
        )
        states.append((answer.model_extra or {})["moorline"]["cache"])
    assert states == ["miss", "miss"]


def test_several_choices_and_unknown_fields_reach_the_upstream(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="cloud/wordy",
        messages=say("Three please"),
        n=3,
        extra_body={"moorline": {"grounding": "off"}, "some_new_field": 1},
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.message.content for choice in answer.choices)


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "gpt-9", "messages": say("x")}, 404, "model_not_found", "model"),
        ({"model": "auto", "messages": []}, 400, None, "messages"),
        (
            {"model": "auto", "messages": say("x"), "moorline": {"collection": "nowhere"}},
            404,
            "collection_not_found",
            "moorline.collection",
        ),
        (
            {"model": "auto", "messages": say("x"), "moorline": {"filter": {"a": {"near": 3}}}},
            400,
            None,
            "moorline.filter",
        ),
    ],
)
def test_errors_are_what_the_client_expects(
    client: OpenAI, body: dict[str, object], status: int, code: str | None, param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.status_code == status
    assert caught.value.code == code
    assert caught.value.param == param


def test_a_failure_inside_a_stream_is_an_error_and_no_clean_end(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="broken/simulated",
        messages=say("Tell me more"),
        stream=True,
        extra_body={"moorline": {"grounding": "off"}},
    )
    with pytest.raises(openai.APIError):
        list(stream)


def test_the_next_model_answers_where_the_first_is_down(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="sturdy",
        messages=say("Hello"),
        extra_body={"moorline": {"grounding": "off"}},
    )
    assert answer.model == "sim/simulated"


def test_where_no_model_answers_the_error_is_in_shape(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(
            model="down/simulated",
            messages=say("Hello"),
            extra_body={"moorline": {"grounding": "off"}},
        )
    assert (caught.value.status_code, caught.value.code) == (503, "no_model_available")


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_closes_the_upstream_within_a_second(
    world: World, stream: bool
) -> None:
    upstream, model = (world.upstream, "cloud/wordy") if stream else (world.slow, "slow/thinker")
    left = upstream.left
    body = {
        "model": model,
        "messages": say("Talk for long"),
        "stream": stream,
        "moorline": {"grounding": "off"},
    }
    with httpx.Client(timeout=httpx.Timeout(30, read=0.3)) as browser:
        try:
            with browser.stream("POST", f"{world.api}/chat/completions", json=body) as response:
                next(response.iter_lines())
        except httpx.ReadTimeout:
            assert not stream
    deadline = time.monotonic() + 1
    while upstream.left == left and time.monotonic() < deadline:
        time.sleep(0.02)
    assert upstream.left == left + 1


def test_models_lists_every_name(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert {"sturdy", "cloud/wordy", "extractive/extractive"} <= set(names)
    assert client.models.retrieve("cloud/wordy").id == "cloud/wordy"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_embeddings_come_in_order_and_of_length_one(client: OpenAI) -> None:
    made = client.embeddings.create(model="auto", input=["a boat", "a ship", "tax law"])
    boat, ship, law = (each.embedding for each in made.data)
    assert sum(x * x for x in boat) == pytest.approx(1, abs=1e-3)
    assert _dot(boat, ship) > _dot(boat, law)


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_health_readiness_and_documentation(world: World) -> None:
    assert httpx.get(f"{world.url}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{world.url}/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "default" not in ready.text  # who asks without a key learns no names
    assert httpx.get(f"{world.url}/docs").status_code == 200
    schema = httpx.get(f"{world.url}/openapi.json").json()
    assert "/v1/chat/completions" in schema["paths"]


def test_no_secret_of_the_configuration_is_ever_told(world: World) -> None:
    body = {"model": "cloud/wordy", "messages": say("x"), "moorline": {"grounding": "off"}}
    for path in ("/openapi.json", "/v1/models", "/readyz", "/", "/traces"):
        assert "sk-upstream-secret" not in httpx.get(world.url + path).text
    answer = httpx.post(f"{world.api}/chat/completions", json=body, timeout=30)
    assert "sk-upstream-secret" not in answer.text + str(answer.headers)
