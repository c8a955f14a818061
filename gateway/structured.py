"""Answers in a form that the caller asked for: held against it, mended by rule, asked for again.

It stands around the dispatcher and looks only at requests with `response_format` or tools. What a
form is, and how a text is mended, is in gateway/schemas.py and gateway/mending.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson

from context.tokens import Counter
from context.types import Prompt
from gateway.config import StructuredConfig
from gateway.dispatch import Begun
from gateway.errors import GatewayError, InvalidRequest, StructuredOutputInvalid
from gateway.mending import loaded, meant
from gateway.schemas import BadSchema, Schema
from gateway.spending import share, together
from gateway.streams import Choice, Collected, collect, retold
from gateway.tracing.trace import Span
from gateway.types import Ask, Done, Events, Spent
from gateway.withholding import without
from routing.types import Plan

FIELD = "response_format"
FORMS = frozenset({"json_object", "json_schema"})
REMEMBERED = 256  # schemas
LONG_SCHEMA = 16_000  # characters; longer ones are not remembered
LONG = 20_000  # characters, from which on checking would hold up the event loop,
MUCH = 10_000_000  # or from this much of a text's characters times the schema's
SHOWN = 16_000  # characters of a wrong answer that the model is shown again

AGAIN = (
    "That is not what was asked for: {why}\n"
    "Answer again with the whole JSON and nothing else: no code fence, no words around it."
)


class Starter(Protocol):
    """What begins answers; Dispatcher is one."""

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun: ...


@dataclass(frozen=True, slots=True)
class Form:
    """What a whole answer has to be. Without a schema it is any JSON object."""

    schema: Schema | None = None

    def slow(self, text: str) -> bool:
        """Whether a check may take long enough to hold up the event loop."""
        weight = self.schema.weight if self.schema else 0.0
        return len(text) > LONG or len(text) * weight > MUCH

    def why_not(self, text: str) -> str | None:
        """What is wrong with a text; None where nothing is."""
        try:
            value = loaded(text)
        except ValueError as error:
            return f"it is not JSON ({error})." if text.strip() else "it is empty."
        if self.schema:
            return self.schema.why_not(value)
        return None if isinstance(value, dict) else "it is not a JSON object."

    def mended(self, text: str) -> str | None:
        """The text as it was meant; None where no rule makes it right."""
        return next((each for each in meant(text) if self.why_not(each) is None), None)


class Structured:
    """A starter of answers that have their form."""

    def __init__(self, starter: Starter, config: StructuredConfig, count: Counter) -> None:
        self._starter = starter
        self._config = config
        self._count = count
        self._schemas: dict[bytes, Schema] = {}

    def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Coroutine[Any, Any, Begun]:
        """See Dispatcher. Raises StructuredOutputInvalid where no call gave the form."""
        if FIELD not in ask.params and (ask.stream or "tools" not in ask.params):
            return self._starter.start(prompt, plan, ask, span)
        return self._started(prompt, plan, ask, span)

    async def _started(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        params = ask.params
        wanted = params.get(FIELD)
        formed = isinstance(wanted, Mapping) and wanted.get("type") in FORMS
        if not formed and (ask.stream or not params.get("tools")):
            return await self._starter.start(prompt, plan, ask, span)
        form = await self._form(wanted) if formed and self._config.check else None
        told = ask.stream and (form is None or self._config.stream == "pass")
        # What is held back anyway is asked for whole: until it is there, another model can answer.
        ask = replace(ask, verbatim=False, stream=told)
        request = _Request(prompt, plan, ask, span)
        begun = replace(await self._starter.start(prompt, plan, ask, span), formed=formed)
        if form and told:
            return replace(begun, events=checked(begun.events, form, span))
        if form:
            return await self._whole(form, begun, request)
        if told:
            return begun
        return replace(begun, events=retold(_with_arguments(await collect(begun.events))))

    async def _form(self, wanted: Any) -> Form:
        """What the answer has to be. Raises InvalidRequest."""
        if wanted["type"] == "json_object":
            return Form()
        told = wanted.get("json_schema")
        if not isinstance(told, Mapping):
            param = f"{FIELD}.json_schema"
            raise InvalidRequest(f"Invalid value for '{param}': it is not an object.", param=param)
        return Form(await self._schema(told.get("schema", {})))

    async def _schema(self, schema: Any) -> Schema:
        key = orjson.dumps(schema)
        if known := self._schemas.get(key):
            return known
        try:
            made = await asyncio.to_thread(Schema, schema)
        except BadSchema as error:
            param = f"{FIELD}.json_schema.schema"
            raise InvalidRequest(f"Invalid schema in '{param}': {error}.", param=param) from None
        if len(key) <= LONG_SCHEMA:
            if len(self._schemas) >= REMEMBERED:
                self._schemas.pop(next(iter(self._schemas)))
            self._schemas[key] = made
        return made

    async def _whole(self, form: Form, begun: Begun, request: _Request) -> Begun:
        """The answer, or the answer to the same question asked again. Nothing is shown before."""
        span = request.span
        whole = _with_arguments(await collect(begun.events))
        wrong = await _mended(whole, form)
        span.set(structured={"asked": 1, "wrong": len(wrong)})
        if not wrong:
            return replace(begun, events=retold(whole))
        index, why = next(iter(wrong.items()))
        said = whole.choices[index].text
        first = await self._share(begun, whole, request.prompt)
        if not self._config.ask_again:
            raise _invalid(why, said, span, first)
        pointed = request.again(_asked_again(request.prompt, said, why), len(wrong))
        try:
            second = await self._starter.start(
                pointed.prompt, pointed.plan, pointed.ask, pointed.span
            )
            answer = _with_arguments(await collect(second.events))
        except GatewayError as error:
            raise _invalid(why, said, span, first) from error
        finally:
            request.noted(pointed)
        still = await _mended(answer, form)
        span.set(structured={"asked": 2, "wrong": len(still)})
        parts = [first, await self._share(second, answer, pointed.prompt)]
        if still or len(answer.choices) < len(wrong):
            index, why = next(iter(still.items()), (0, "it is empty."))
            raise _invalid(why, answer.choices.get(index, Choice()).text, span, *parts)
        for place, right in zip(wrong, answer.choices.values(), strict=False):
            whole.choices[place] = right
        whole.done = together(_done(answer), parts)
        return replace(begun, events=retold(whole), target=second.target, fallback=second.fallback)

    async def _share(self, begun: Begun, whole: Collected, prompt: Prompt) -> Spent:
        said = "".join(choice.text for choice in whole.choices.values())
        return await share(begun.target.name, _done(whole).usage, prompt, said, self._count)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked, and since when."""

    prompt: Prompt
    plan: Plan
    ask: Ask
    span: Span
    since: int = field(default_factory=time.perf_counter_ns)

    def again(self, prompt: Prompt, n: int) -> _Request:
        """The same request with another prompt. Its span, which is apart, begins now."""
        now = self.span.start + time.perf_counter_ns() - self.since
        return _Request(prompt, self.plan, replace(self.ask, n=n), Span("again", now))

    def noted(self, other: _Request) -> None:
        """The calls of another request are this one's as well."""
        calls = (each.span.attributes.get("attempts", ()) for each in (self, other))
        self.span.attributes["attempts"] = [call for each in calls for call in each]


async def checked(events: Events, form: Form, span: Span) -> Events:
    """A streamed answer as it comes, whose end is an error where it has not its form."""
    whole = Collected()
    async with aclosing(events):
        async for event in events:
            whole.add(event)
            if isinstance(event, Done):
                for choice in whole.choices.values():
                    why = await _found(form.why_not, form, choice) if _due(choice) else None
                    if why:
                        raise _invalid(why, choice.text, span)
            yield event


async def _mended(whole: Collected, form: Form) -> dict[int, str]:
    """Mend every choice that can be; what is wrong with those that cannot."""
    wrong: dict[int, str] = {}
    for index, choice in sorted(whole.choices.items()):
        if not _due(choice):
            continue
        why = await _found(form.why_not, form, choice)
        if why is None:
            continue
        right = await _found(form.mended, form, choice)
        if right is None:
            wrong[index] = why
        else:
            choice.text = right
            without(choice.extra)  # they are of other words
    return wrong


async def _found(check: Callable[[str], str | None], form: Form, choice: Choice) -> str | None:
    """What a check says, off the event loop where that takes long."""
    if form.slow(choice.text):
        return await asyncio.to_thread(check, choice.text)
    return check(choice.text)


def _due(choice: Choice) -> bool:
    """Whether it is an answer at all: a refusal, a call of tools and what was filtered are none."""
    if choice.finish == "content_filter":
        return False
    return not (choice.fields.get("refusal") or choice.fields.get("tool_calls"))


def _with_arguments(whole: Collected) -> Collected:
    """Arguments of tools that are nearly JSON, as JSON."""
    for choice in whole.choices.values():
        for call in choice.fields.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                function["arguments"] = _arguments(function["arguments"])
    return whole


def _arguments(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return next((each for each in meant(text) if each.startswith("{")), text)
    return text


def _asked_again(prompt: Prompt, said: str, why: str) -> Prompt:
    """The same conversation, with the wrong answer and what is wrong with it."""
    shown = said if len(said) <= SHOWN else said[:SHOWN] + " …"
    turns = (
        {"role": "assistant", "content": shown},
        {"role": "user", "content": AGAIN.format(why=why)},
    )
    return replace(prompt, messages=(*prompt.messages, *turns))


def _invalid(why: str, text: str, span: Span, *spent: Spent) -> StructuredOutputInvalid:
    told = span.attributes.get("structured", {})
    span.set(structured={**told, "output": {"why": why, "said": text}})
    error = StructuredOutputInvalid(
        f"The model's answer does not have the form that '{FIELD}' asks for: {why}", param=FIELD
    )
    error.spent = spent
    return error


def _done(whole: Collected) -> Done:
    return whole.done or Done()
