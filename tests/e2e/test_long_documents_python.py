"""OpenAI's own client with a text that is longer than any window."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from gateway.config import parse
from tests.serving import serving

CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
words = 20
[[providers.sim.models]]
name = "m"
window = 3000
max_output = 300
[grounding]
mode = "off"
"""
FACT = "The lighthouse of Moorhaven was built in 1874 by Ada Finch."
TEXT = "\n\n".join(
    FACT if n == 100 else f"Ship number {n} came in with grain and left with {n} barrels of oil."
    for n in range(250)
)
OPTION = {"moorline": {"long_document": "auto"}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = parse(CONFIG.format(data=tmp_path_factory.mktemp("data")))
    with serving(config) as served:
        yield served.url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


def asked(task: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": f"{task}\n\n{TEXT}"}]


def test_a_summary_tells_how_it_was_made(client: openai.OpenAI) -> None:
    messages = asked("Summarise this.")
    made = client.chat.completions.create(model="sim/m", messages=messages, extra_body=OPTION)
    told = made.model_extra
    assert told
    assert told["moorline"]["long_document"]["method"] == "map_reduce"
    assert made.usage
    assert made.usage.prompt_tokens > 3000
    assert len((made.choices[0].message.content or "").split()) == 20


def test_a_stream_tells_its_progress_in_chunks_that_say_nothing(client: openai.OpenAI) -> None:
    messages = asked("Summarise this.")
    stream = client.chat.completions.create(
        model="sim/m", messages=messages, stream=True, extra_body=OPTION
    )
    chunks = list(stream)
    steps = [c.model_extra["moorline"]["progress"] for c in chunks[:-1] if c.model_extra]
    assert steps[-1]["step"] == "answer"
    assert steps[-1]["done"] == steps[-1]["calls"] - 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(text.split()) == 20
    assert not any(chunk.choices[0].delta.content for chunk in chunks[: len(steps)])


def test_the_other_doors_tell_progress_as_comments(url: str, client: openai.OpenAI) -> None:
    stream = client.responses.create(
        model="sim/m", input=f"Summarise this.\n\n{TEXT}", stream=True, extra_body=OPTION
    )
    kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as other:
        told = other.messages.create(
            model="sim/m",
            max_tokens=100,
            messages=[{"role": "user", "content": f"Summarise this.\n\n{TEXT}"}],
            stream=True,
            extra_body=OPTION,
        )
        assert [event.type for event in told][-1] == "message_stop"


def test_a_question_cites_characters_of_the_text(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(
        model="extractive/extractive",
        messages=asked("Who built the lighthouse of Moorhaven?"),
        extra_body=OPTION,
    )
    assert made.choices[0].message.content == f"{FACT} [1]"
    notes = made.choices[0].message.annotations
    assert notes
    assert notes[0].url_citation.url.startswith("#char=")


def test_without_the_option_the_refusal_names_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"long_document") as refused:
        client.chat.completions.create(model="sim/m", messages=asked("Summarise this."))
    assert refused.value.code == "context_length_exceeded"


def test_a_collection_and_a_long_document_do_not_go_together(client: openai.OpenAI) -> None:
    both = {"moorline": {"long_document": "auto", "grounding": "strict"}}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="sim/m", messages=asked("Summarise this."), extra_body=both
        )
    assert refused.value.param == "moorline.long_document"
