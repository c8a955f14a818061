"""A call as one model takes it: what it lacks left out or put in other words, what it wants added.

Everything that can be known of a model is worked out when the gateway is built, so that a call
which needs no fitting is the same object again. Which model is asked is not decided here, only
which cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import orjson

from context.types import Message
from gateway.errors import InvalidRequest
from gateway.messages import text_of
from gateway.providers.base import Call
from gateway.providers.capabilities import (
    DROPPABLE,
    FIELDS,
    IN_MESSAGES,
    Capability,
    Prefill,
    needs,
    only_text,
    unlisted,
)
from gateway.providers.config import (
    ExtractiveProvider,
    LiteLlmProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
    TransformersProvider,
    VllmProvider,
)
from gateway.providers.listing import Entry
from gateway.providers.prices import free
from gateway.providers.services import SERVICES
from gateway.tracing.trace import Span
from gateway.types import Ask
from routing.types import Plan, Target

Emulation: TypeAlias = Literal["json_object", "instruction"]

# It ignores parameters and reads text alone; an answer in a form that was asked for it cannot give.
QUOTES: frozenset[Capability] = frozenset(
    {
        *("json_object", "json_schema", "tool_choice", "vision", "audio", "files"),
        *("audio_output", "logprobs", "prefill"),
    }
)

# What a model in this process knows of a request: its messages' text, and how tokens are drawn.
ONLY_TALKS: frozenset[Capability] = frozenset(
    {
        *("tools", "tool_choice", "parallel_tool_calls", "json_object", "json_schema", "vision"),
        *("audio", "files", "audio_output", "logprobs", "logit_bias", "penalties", "prediction"),
        *("reasoning_effort", "verbosity", "service_tier", "web_search", "notes"),
    }
)

AS_JSON = "Answer with one JSON object and nothing else: no code fence, no words around it."
AS_SCHEMA = (
    "Answer with one JSON value that satisfies the following JSON Schema and with nothing else: no "
    "code fence, no words around it.\n"
)
GO_ON = (
    "Your answer above was cut off. Go on from exactly where it stops. Begin by repeating its last "
    "words, which are quoted here, character by character, and then carry on to the end. Say "
    "nothing about this request.\n\n"
)
REPEATED = 60  # characters of an answer that are to be repeated, at most


@dataclass(frozen=True, slots=True)
class Fit:
    """What is particular about a model."""

    lacks: frozenset[Capability] = frozenset()
    emulation: Emulation | None = "json_object"  # of a schema that it cannot be given
    system_prompt: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    plain_schemas: bool = False
    prefill: Prefill = "instruction"
    reasons: bool = False  # what it writes may begin with thoughts, which count
    touched: frozenset[str] = field(init=False)  # the parameters that make a difference
    decisive: frozenset[str] = field(init=False)  # those for which it may be passed over
    reads: bool = field(init=False)  # whether messages may have what it cannot take

    def __post_init__(self) -> None:
        names = {name for name, capability in FIELDS.items() if capability in self.lacks}
        names |= self.rename.keys()
        if self.plain_schemas:
            names |= {"tools", "response_format"}
        if "json_object" in self.lacks:
            names.add("response_format")
        object.__setattr__(self, "touched", frozenset(names))
        decisive = self.refused | (self.lacks & DROPPABLE - {"notes"})
        fields = {name for name, capability in FIELDS.items() if capability in decisive}
        if "json_object" in decisive:
            fields.add("response_format")
        object.__setattr__(self, "decisive", frozenset(fields))
        object.__setattr__(self, "reads", not decisive.isdisjoint(IN_MESSAGES))

    @property
    def special(self) -> bool:
        """Whether any call has to be changed for it."""
        return bool(self.touched or self.system_prompt or self.lacks & {"system", "developer"})

    def concerned(self, ask: Ask) -> bool:
        """Whether a request may ask for what it lacks."""
        if not self.decisive.isdisjoint(ask.params):
            return True
        if ask.n > 1 and "n" in self.lacks:
            return True
        return self.reads and not only_text(ask.messages)

    @property
    def refused(self) -> frozenset[Capability]:
        """What it can neither do nor do without."""
        emulated = {"json_object", "json_schema"} if self.emulation else set()
        return self.lacks - DROPPABLE - emulated - {"system", "developer", "prefill"}


AS_IT_IS = Fit()


class Fitting:
    """The models of a configuration with what is particular about them."""

    def __init__(self, fits: Mapping[str, Fit]) -> None:
        self._all = fits  # by the configured model's name
        self._special = {name: fit for name, fit in fits.items() if fit.special}
        self._lacking = {name: fit for name, fit in fits.items() if fit.lacks}

    def able(self, ask: Ask, plan: Plan, span: Span) -> Plan:
        """The plan without the targets that cannot do what is asked for.

        Raises InvalidRequest that names field and model where none of them can.
        """
        for target in plan.targets:
            fit = self._lacking.get(target.configured)
            if fit is not None and fit.concerned(ask):
                return self._narrowed(ask, plan, span)
        return plan

    def _narrowed(self, ask: Ask, plan: Plan, span: Span) -> Plan:
        needed = needs(ask.params, ask.messages, ask.n)
        unable = {t: why for t in plan.targets if (why := self._unable(t, needed))}
        if len(unable) == len(plan.targets):
            raise _cannot(plan, unable[plan.targets[0]], needed)
        self._check_preferences(plan, needed)
        if not unable:
            return plan
        span.set(passed_over={t.name: sorted(why) for t, why in unable.items()})
        return _without(plan, unable.__contains__)

    def lacking(self, ask: Ask) -> Callable[[Target], Collection[Capability]]:
        """What each target lacks of what a request cannot do without."""
        needed = needs(ask.params, ask.messages, ask.n)
        return lambda target: self._unable(target, needed)

    def fitted(self, call: Call, target: Target, span: Span) -> Call:
        """The call as this target takes it; what was left out or changed is noted in the span."""
        fit = self._special.get(target.configured)
        if call.prompt.said:
            call = _resumed(call, self.prefill(target))
        if fit is None:
            return call
        notes: list[str] = []
        params, instruction = _params(call.params, fit, notes)
        messages = _messages(call.prompt.messages, fit, instruction, notes)
        if params is call.params and messages is call.prompt.messages:
            return call
        if notes:
            span.attributes.setdefault("fitted", {})[target.name] = notes
        return replace(call, prompt=replace(call.prompt, messages=messages), params=params)

    def continuing(self, plan: Plan) -> Plan:
        """The plan without the targets that cannot go on with another's answer."""
        return _without(plan, lambda t: "prefill" in self._fit(t).lacks)

    def prefill(self, target: Target) -> Prefill:
        """How a target goes on with another's answer."""
        return self._fit(target).prefill

    def reasoning(self, plan: Plan) -> bool:
        """Whether any of the targets thinks before it writes."""
        return any(self._fit(target).reasons for target in plan.targets)

    def _fit(self, target: Target) -> Fit:
        return self._all.get(target.configured, AS_IT_IS)

    def _unable(self, target: Target, needed: Mapping[Capability, str]) -> set[Capability]:
        return {capability for capability in needed if capability in self._fit(target).refused}

    def _check_preferences(self, plan: Plan, needed: Mapping[Capability, str]) -> None:
        """A preference is left out for a model that lacks it, as long as another one has it."""
        for wish in needed.keys() & (DROPPABLE - {"notes"}):
            if all(wish in self._fit(target).lacks for target in plan.targets):
                raise _cannot(plan, {wish}, needed)


NOTHING_TO_FIT = Fitting({})


def fitting(
    providers: Mapping[str, ProviderConfig], listed: Callable[[str], Entry | None]
) -> Fitting:
    """What the configuration and litellm's list say of all configured models."""
    fits = {}
    for name, provider in providers.items():
        for model in provider.models:
            full = f"{name}/{model.name}"
            fits[full] = fit_of(provider, model, listed(full))
    return Fitting(fits)


def fit_of(provider: ProviderConfig, model: ModelConfig, entry: Entry | None) -> Fit:
    """What is particular about one model."""
    if isinstance(provider, ExtractiveProvider):
        return Fit(lacks=QUOTES, emulation=None)
    # Whoever runs a model himself has settings that no list knows.
    listed = frozenset() if free(provider) else unlisted(entry)
    if isinstance(provider, TransformersProvider):
        listed = ONLY_TALKS
    lacks = (listed - set(model.has)) | set(model.lacks)
    strict = "json_schema" in listed and "json_schema" in lacks and "json_object" not in model.has
    return Fit(
        lacks=lacks,
        emulation="instruction" if strict or "json_object" in lacks else "json_object",
        system_prompt=model.system_prompt,
        rename=dict(model.rename),
        plain_schemas=model.plain_schemas,
        prefill=model.prefill or _usual_prefill(provider, entry),
        reasons=_reasons(model, entry),
    )


def _reasons(model: ModelConfig, entry: Entry | None) -> bool:
    listed = bool(entry and entry.get("supports_reasoning"))
    return "reasoning_effort" in model.has or (listed and "reasoning_effort" not in model.lacks)


def _usual_prefill(provider: ProviderConfig, entry: Entry | None) -> Prefill:
    if isinstance(provider, VllmProvider):
        return "continue_final_message"
    if isinstance(provider, SimulatedProvider | TransformersProvider):
        return "assistant"
    if isinstance(provider, OpenAICompatibleProvider) and provider.service:
        return SERVICES[provider.service].prefill
    if isinstance(provider, LiteLlmProvider) and entry and entry.get("supports_assistant_prefill"):
        return "prefix"
    return "instruction"


def _cannot(
    plan: Plan, lacking: set[Capability], needed: Mapping[Capability, str]
) -> InvalidRequest:
    """Names the field, and the model to who may know it."""
    capability = min(lacking)
    field = needed[capability]
    model = "The model" if plan.secret else f"The model '{plan.targets[0].name}'"
    return InvalidRequest(
        f"{model} cannot take '{field}': it is known to lack {capability}. "
        "Ask another model, or list it under `has` of this one where that is wrong.",
        param=field,
    )


def _without(plan: Plan, unable: Callable[[Target], bool]) -> Plan:
    kept = (group.only(t for t in group.targets if not unable(t)) for group in plan.groups)
    return plan.regrouped(kept)


def _params(params: Mapping[str, Any], fit: Fit, notes: list[str]) -> tuple[Mapping[str, Any], str]:
    """The parameters that the model takes, and what has to be said in words instead."""
    if fit.touched.isdisjoint(params):
        return params, ""
    fitted = dict(params)
    instruction = _formatted(fitted, fit, notes)
    for name in [name for name in fitted if FIELDS.get(name) in fit.lacks & DROPPABLE]:
        del fitted[name]
        notes.append(f"{name} left out")
    for old, new in fit.rename.items():
        if old in fitted:
            value = fitted.pop(old)
            fitted.setdefault(new, value)
    if fit.plain_schemas:
        _plain(fitted)
    return fitted, instruction


def _formatted(params: dict[str, Any], fit: Fit, notes: list[str]) -> str:
    """A form of the answer that cannot be asked for by parameter, as an instruction."""
    form = params.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else None
    if kind not in ("json_object", "json_schema") or kind not in fit.lacks:
        return ""
    if not fit.emulation:
        return ""
    notes.append(f"{kind} asked for in words")
    if fit.emulation == "json_object" and kind == "json_schema":
        params["response_format"] = {"type": "json_object"}
    else:
        del params["response_format"]
    if kind == "json_object":
        return AS_JSON
    told = form.get("json_schema") if isinstance(form, dict) else None
    schema = told.get("schema") if isinstance(told, dict) else None
    return AS_SCHEMA + orjson.dumps(schema or {}).decode()


def _messages(
    messages: tuple[Message, ...], fit: Fit, instruction: str, notes: list[str]
) -> tuple[Message, ...]:
    if fit.system_prompt:
        messages = _told(messages, fit.system_prompt, first=True)
        notes.append("system_prompt added")
    if instruction:
        messages = _told(messages, instruction, first=False)
    if "system" in fit.lacks:
        return _without_system(messages)
    if "developer" in fit.lacks and any(m.get("role") == "developer" for m in messages):
        return tuple(
            {**m, "role": "system"} if m.get("role") == "developer" else m for m in messages
        )
    return messages


def _told(messages: tuple[Message, ...], text: str, *, first: bool) -> tuple[Message, ...]:
    """The messages with an instruction in the first system message, which may be new."""
    head = messages[0] if messages else {}
    content = head.get("content")
    if head.get("role") not in ("system", "developer") or not isinstance(content, str):
        return ({"role": "system", "content": text}, *messages)
    whole = f"{text}\n\n{content}" if first else f"{content}\n\n{text}"
    return ({**head, "content": whole}, *messages[1:])


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """What a system message says in front of the first thing that the user says."""
    spoken = [text_of(m.get("content")) for m in messages if _of_system(m)]
    rest = [message for message in messages if not _of_system(message)]
    if not spoken:
        return messages
    text = "\n\n".join(spoken)
    for place, message in enumerate(rest):
        if message.get("role") == "user":
            rest[place] = _in_front(message, text)
            return tuple(rest)
    return ({"role": "user", "content": text}, *rest)


def _of_system(message: Message) -> bool:
    return message.get("role") in ("system", "developer")


def _in_front(message: Message, text: str) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": text}, *content]}
    return {**message, "content": f"{text}\n\n{content or ''}"}


def _resumed(call: Call, way: Prefill) -> Call:
    """A call that goes on with the beginning of an answer."""
    said = call.prompt.said
    turn: dict[str, Any] = {"role": "assistant", "content": said}
    params = call.params
    after: tuple[Message, ...] = ()
    match way:
        case "continue_final_message":
            params = {**params, "continue_final_message": True, "add_generation_prompt": False}
        case "prefix":
            turn["prefix"] = True
        case "instruction":
            after = ({"role": "user", "content": f'{GO_ON}"{last_words(said)}"'},)
    messages = (*call.prompt.messages, turn, *after)
    return replace(call, prompt=replace(call.prompt, messages=messages, said=""), params=params)


def last_words(text: str) -> str:
    """The end of a text from the beginning of a word."""
    if len(text) <= REPEATED:
        return text
    end = text[-REPEATED:]
    return end[end.find(" ") + 1 :]


def _plain(params: dict[str, Any]) -> None:
    """Schemas in the few keywords that every model knows."""
    if isinstance(tools := params.get("tools"), list):
        params["tools"] = [_plain_tool(tool) for tool in tools]
    form = params.get("response_format")
    if isinstance(form, dict) and isinstance(told := form.get("json_schema"), dict):
        plain = {**told, "schema": plain_schema(told.get("schema") or {})}
        params["response_format"] = {**form, "json_schema": plain}


def _plain_tool(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return tool
    plain = {key: value for key, value in function.items() if key != "strict"}
    if isinstance(schema := function.get("parameters"), dict):
        plain["parameters"] = plain_schema(schema)
    return {**tool, "function": plain}


_KEPT = frozenset(
    {"type", "description", "properties", "required", "items", "enum", "anyOf", "nullable"}
)
_DEEPEST = 24  # levels
_MOST_PARTS = 2_000  # of a schema whose references are followed; a crafted one has no end


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without the keywords that simple models and servers refuse: references are put
    in their place, `oneOf` is `anyOf`, `const` an `enum` of one."""
    return _Plain(schema).of(schema)


class _Plain:
    """One schema on its way to a plain one."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions: dict[str, Any] = {}
        for key in ("definitions", "$defs"):
            if isinstance(defined := schema.get(key), Mapping):
                self._definitions |= defined
        self._parts = 0

    def of(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        self._parts += 1
        if not isinstance(schema, Mapping) or self._parts > _MOST_PARTS or depth > _DEEPEST:
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            meant = self._definitions.get(reference.rpartition("/")[2])
            said = {key: value for key, value in schema.items() if key != "$ref"}
            return self.of({**meant, **said} if isinstance(meant, Mapping) else said, depth + 1)
        plain = {key: value for key, value in schema.items() if key in _KEPT}
        if "const" in schema:
            plain["enum"] = [schema["const"]]
        if isinstance(schema.get("oneOf"), list):
            plain["anyOf"] = schema["oneOf"]
        if isinstance(parts := schema.get("allOf"), list) and len(parts) == 1:
            plain = {**self.of(parts[0], depth + 1), **plain}
        if isinstance(properties := plain.get("properties"), Mapping):
            plain["properties"] = {k: self.of(v, depth + 1) for k, v in properties.items()}
        if isinstance(items := plain.get("items"), Mapping):
            plain["items"] = self.of(items, depth + 1)
        if isinstance(options := plain.get("anyOf"), list):
            plain["anyOf"] = [self.of(each, depth + 1) for each in options]
        return plain
