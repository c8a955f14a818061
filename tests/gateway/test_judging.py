"""Guards over an answer as it is told."""

from __future__ import annotations

import pytest

from context.types import Prompt, Source
from gateway.dispatch import Begun
from gateway.grounding import Grounds
from gateway.judging import Judge, Words
from gateway.streams import Collected, Told, collect, replay, told
from gateway.tracing.trace import Trace
from gateway.types import Answer, Completion, Delta, Done, Event, Grounding
from guardrails.config import GuardrailsConfig, OutputConfig
from guardrails.output import OutputGuard
from retrieval.filters import ALWAYS
from retrieval.types import Hit, Passage
from routing.types import Plan, Target

pytestmark = pytest.mark.anyio

TARGET = Target("p", "m", 1000, 100)
PLAN = Plan.chain((TARGET,), "named")
SECRET = "sk-proj-" + "a1B2" * 12


def source(number: int, text: str) -> Source:
    passage = Passage(f"id{number}", f"{number}.md", "v", 0, "Returns", (), text, 0, len(text))
    return Source(number, Hit(passage, 0.5))


SOURCES = (
    source(1, "Customers in the EU may return goods within 30 days of delivery."),
    source(2, "Gift cards are never refunded."),
)


def judged(*events: Event, mode: Grounding = "strict", formed: bool = False) -> Answer:
    prompt = Prompt(({"role": "system", "content": "Obey."},), SOURCES, question="?")
    grounds = None if mode == "off" else Grounds("docs", None, mode, None, ALWAYS)  # type: ignore[arg-type]
    begun = Begun(
        replay([e for e in events if isinstance(e, Delta)], Done()), TARGET, formed=formed
    )
    answer = Judge(GuardrailsConfig()).judged(begun, prompt, grounds, PLAN, "off", Trace())
    return Answer(told(answer.events, answer.judge, answer.endings), answer.known)


async def answered(*texts: str, mode: Grounding = "strict") -> tuple[Collected, Done]:
    whole = await collect(judged(*(Delta(text) for text in texts), mode=mode).events)
    assert whole.done is not None
    return whole, whole.done


async def test_a_claim_without_a_marker_gets_the_one_of_its_source() -> None:
    whole, done = await answered(
        "Customers in the EU may return goods ", "within 30 days of delivery."
    )
    assert whole.text == "Customers in the EU may return goods within 30 days of delivery [1]."
    assert (done.grounded, done.faithfulness) == (True, 1.0)
    assert [s.n for s in done.sources if s.cited] == [1]


async def test_json_is_weighed_but_left_as_it_is() -> None:
    text = '{"rule": "Customers in the EU may return goods within 30 days.", "rows": [7]}'
    whole = await collect(judged(Delta(text[:30]), Delta(text[30:]), formed=True).events)
    assert whole.text == text
    assert whole.done
    assert whole.done.grounded
    assert [s.n for s in whole.done.sources if s.cited] == [1]


async def test_a_claim_that_no_source_supports_is_said_to_be_unsupported() -> None:
    whole, done = await answered("Every order ships with a free penguin from Antarctica.")
    assert "[unsupported]" in whole.text
    assert (done.grounded, done.faithfulness) == (False, 0.0)


async def test_a_marker_on_something_else_is_not_believed() -> None:
    whole, done = await answered("Winter orchards sing about copper engines [1].")
    assert whole.text == "Winter orchards sing about copper engines [unsupported]."
    assert (done.grounded, done.faithfulness) == (False, 0.0)


async def test_a_paraphrase_keeps_its_marker() -> None:
    text = "You have 30 days after the delivery to send something back from the EU [1]."
    whole, done = await answered(text)
    assert whole.text == text
    assert done.grounded is True


async def test_a_marker_that_points_to_nothing_is_dropped() -> None:
    whole, _ = await answered("Gift cards are never refunded [2][7].")
    assert whole.text == "Gift cards are never refunded [2]."


async def test_the_pieces_in_which_text_comes_do_not_matter() -> None:
    text = "Gift cards are never refunded [2]. Customers in the EU may return goods within 30 days."
    whole, _ = await answered(text)
    pieces, _ = await answered(*text)
    assert pieces.text == whole.text


async def test_open_grounding_leaves_unmarked_claims_alone() -> None:
    whole, done = await answered("Penguins live in the south.", mode="open")
    assert whole.text == "Penguins live in the south."
    assert done.grounded is False


async def test_without_documents_text_passes_word_by_word_and_secrets_do_not() -> None:
    whole, done = await answered("The key is ", SECRET[:20], SECRET[20:], " and more", mode="off")
    assert whole.text == "The key is [SECRET] and more"
    assert (done.grounded, done.sources) == (None, ())


def test_a_word_is_held_back_until_it_is_whole() -> None:
    words = Words(OutputGuard(OutputConfig()))
    assert [words.feed("one tw"), words.feed("o three"), words.finish()] == [
        "one ",
        "two ",
        "three",
    ]


async def test_fields_that_are_no_text_pass_untouched() -> None:
    call = {"tool_calls": [{"index": 0, "id": "c"}]}
    answer = judged(Delta(fields=call), Delta(finish="tool_calls"))
    events = [event async for event in answer.events]
    assert events[0] == Delta(fields=call)
    assert isinstance(events[1], Delta)
    assert events[1].finish == "tool_calls"


@pytest.mark.parametrize("mode", ["strict", "off"])
async def test_a_prompt_that_is_not_the_clients_alone_is_not_told_back(mode: Grounding) -> None:
    told_back = {"prompt_token_ids": [1], "prompt_logprobs": [None]}
    message = {"role": "assistant", "content": "Gift cards are never refunded [2]."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"choices": [choice], "system_fingerprint": "f", **told_back}
    others = {key: value for key, value in body.items() if key != "choices"}
    prompt = Prompt(({"role": "system", "content": "Obey."},), SOURCES, question="?")
    grounds = None if mode == "off" else Grounds("docs", None, mode, None, ALWAYS)  # type: ignore[arg-type]
    begun = Begun(Told([Completion(body), Done(fields=others)]), TARGET)
    answer = Judge(GuardrailsConfig()).judged(begun, prompt, grounds, PLAN, "off", Trace())
    whole = await collect(told(answer.events, answer.judge, answer.endings))
    assert whole.done
    kept = {"system_fingerprint": "f"} | (told_back if mode == "off" else {})
    assert whole.done.fields == kept
    assert {key: value for key, value in body.items() if key != "choices"} == kept


async def test_each_choice_is_judged_by_itself() -> None:
    whole = await collect(
        judged(Delta("Gift cards are ", 0), Delta("Customers in ", 1),
               Delta("never refunded [2].", 0), Delta("the EU may return goods [1].", 1)).events
    )  # fmt: skip
    assert whole.choices[0].text == "Gift cards are never refunded [2]."
    assert whole.choices[1].text == "Customers in the EU may return goods [1]."


async def test_what_is_known_before_the_end_says_who_answers_from_what() -> None:
    known = judged(Delta("x")).known
    assert (known.model, known.route, known.collection) == ("p/m", "named", "docs")
    assert [s.document for s in known.sources] == ["1.md", "2.md"]
