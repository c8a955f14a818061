"""Responses that go on from earlier ones: kept for their team, listed, deleted, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from gateway.accounts.keys import Accounts
from gateway.config import parse
from tests.e2e.conftest import World
from tests.e2e.gifted import CALLS
from tests.serving import serving

UNGROUNDED: dict[str, Any] = {"moorline": {"grounding": "off"}}
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=30)


def ask(client: OpenAI, text: Any, **options: Any) -> Any:
    return client.responses.create(model="gifted", input=text, extra_body=UNGROUNDED, **options)


def test_a_response_goes_on_from_an_earlier_one(client: OpenAI, world: World) -> None:
    first = ask(client, "one", instructions="Be brief.")
    second = ask(client, "two", previous_response_id=first.id)
    third = ask(client, "three", previous_response_id=second.id)
    assert third.output_text == "You said: one / two / three."
    roles = [message["role"] for message in world.gifted.last["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]  # instructions do not last
    assert third.previous_response_id == second.id


def test_a_conversation_may_branch(client: OpenAI) -> None:
    first = ask(client, "one")
    branches = [ask(client, text, previous_response_id=first.id) for text in ("a", "b")]
    assert [each.output_text for each in branches] == ["You said: one / a.", "You said: one / b."]


def test_a_streamed_response_can_be_continued_as_soon_as_it_is_told(client: OpenAI) -> None:
    with client.responses.stream(model="gifted", input="one", extra_body=UNGROUNDED) as stream:
        first = stream.get_final_response()
    assert (first.model_extra or {})["store"] is True
    assert ask(client, "two", previous_response_id=first.id).output_text == "You said: one / two."


def test_outputs_of_tools_go_on_from_their_calls(client: OpenAI, world: World) -> None:
    first = ask(client, "Weather?", tools=TOOLS)
    outputs = [
        {"type": "function_call_output", "call_id": call, "output": "wet"} for call, _, _ in CALLS
    ]
    second = ask(client, outputs, tools=TOOLS, previous_response_id=first.id)
    assert second.output_text == "The tools said: wet; wet."
    calls = world.gifted.last["messages"][1]["tool_calls"]
    assert [call["id"] for call in calls] == [call for call, _, _ in CALLS]


def test_a_response_is_read_listed_and_deleted(client: OpenAI) -> None:
    made = ask(client, "one")
    read = client.responses.retrieve(made.id)
    assert (read.id, read.output_text, read.status) == (made.id, made.output_text, "completed")
    items: Any = list(client.responses.input_items.list(made.id))
    assert items[0].content[0].text == "one"
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, "two", previous_response_id=made.id)
    assert caught.value.param == "previous_response_id"


def test_what_is_not_to_be_stored_is_not(client: OpenAI) -> None:
    made = ask(client, "one", store=False)
    assert made.model_extra["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_what_is_kept_is_what_the_model_read(client: OpenAI) -> None:
    made = ask(client, "My card is 4111 1111 1111 1111.")
    items: Any = list(client.responses.input_items.list(made.id))
    assert items[0].content[0].text == "My card is [CREDIT_CARD]."


@pytest.fixture(scope="module")
def teams(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[OpenAI]]:
    """Two clients of one gateway whose keys belong to different teams."""
    data = tmp_path_factory.mktemp("data")
    config = parse(f'data = "{data}"\n[providers.sim]\nkind = "simulated"\nanswer = "echo"')
    with serving(config) as served:
        accounts: Accounts = served.app.state.gateway.accounts
        secrets = [accounts.store.create(team, team=team).secret for team in ("red", "blue")]
        accounts.refresh()
        yield [OpenAI(base_url=f"{served.url}/v1", api_key=each, max_retries=0) for each in secrets]


def test_no_team_reads_continues_or_deletes_what_is_anothers(teams: list[OpenAI]) -> None:
    red, blue = teams
    made = red.responses.create(model="sim/simulated", input="a secret of red")
    with pytest.raises(openai.NotFoundError):
        blue.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        blue.responses.input_items.list(made.id)
    with pytest.raises(openai.NotFoundError):
        blue.responses.create(model="sim/simulated", input="x", previous_response_id=made.id)
    with pytest.raises(openai.NotFoundError):
        blue.responses.delete(made.id)
    assert red.responses.retrieve(made.id).id == made.id
