"""Orders that would take a model over: in a question, and in a passage that was retrieved.

A table of signs. A sign has a family and a weight; families add up like independent evidence, so
that one sign flags and only several together block. Every repetition in a pattern is bounded, and
a pattern runs only where one of its stems occurs. What it does not know: an order that looks like
an honest request cannot be told from one by its words; against these the prompt's fences and the
lack of rights have to hold.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from guardrails.config import InjectionConfig
from guardrails.types import Finding, Verdict
from retrieval.sentences import sentences

_GAP = r"\W{1,4}(?:[\w'’]{1,20}\W{1,4}){0,%d}?"
_NEAR, _FAR = _GAP % 4, _GAP % 8

_ORDERS = (
    r"(?:instructions?|prompts?|rules|guidelines|directions?|directives?|commands|programming|"
    r"polic(?:y|ies)|restrictions|constraints|training|orders|safeguards|protocols|conversation|"
    r"context|system messages?|inputs?)\b"
)
_EARLIER = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|all|any|every|your|my|the|these|"
    r"those|initial|original|existing|default|system|past|other|openai)"
)
_MACHINE = (
    r"(?:ai|a\.i\.|llms?|gpt|chatgpt|chat ?bots?|bots?|(?:large |ai )?language models?|"
    r"(?:ai|virtual|digital|automated|search) (?:assistants?|agents?|systems?|models?|tools?)|"
    r"artificial intelligence|neural network)"
)


@dataclass(frozen=True, slots=True)
class _Sign:
    """What is looked for, in lower case; it runs only on texts with one of the stems."""

    family: str
    weight: float
    stems: tuple[str, ...]
    pattern: re.Pattern[str]


def _sign(family: str, weight: float, stems: str, pattern: str) -> _Sign:
    return _Sign(family, weight, tuple(stems.split("|")), re.compile(pattern))


_SIGNS = (
    _sign(
        "instruction_override",
        0.7,
        "ignor|disregard|forget|overrid|overwrit|bypass|discard|neglect|follow|obey|erase",
        r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|ing)|overwrite|bypass|discard|"
        r"neglect|erase|(?:do not|don'?t|stop|never|no longer) (?:follow|obey)(?:ing)?)"
        rf"{_NEAR}{_EARLIER}{_NEAR}{_ORDERS}",
    ),
    _sign(
        "instruction_override",
        0.6,
        "ignore|disregard|forget",
        r"\b(?:ignore|disregard|forget)\W{1,4}(?:everything|anything|all|what(?:ever)?)\W{1,4}"
        r"(?:\w{1,20}\W{1,4}){0,4}?(?:above|before|said|told|prior|previous(?:ly)?|learned)\b",
    ),
    _sign(
        "instruction_override",
        0.5,
        "instruction|directive|prompt",
        r"\b(?:new|updated|real|revised|actual|override)\W{1,3}(?:system\W{1,3})?"
        r"(?:instructions?|directives?|prompt)\W{0,3}:",
    ),
    _sign(
        "instruction_override",
        0.7,
        "anweisung|instruktion|vorgabe|regeln|préc|instrucc|istruzion|instruç|instructies|"
        "opdracht|инструкц|указани|指令|指示|命令|提示",
        r"(?:ignorier\w{0,4}|missachte|vergiss|"
        r"überschreib\w{0,3})\W(?:\w{1,20}\W){0,5}?(?:anweisung|"
        r"instruktion|vorgabe|regeln)|"
        r"(?:ignore[rz]?|oublie[rz]?)\W(?:\w{1,20}\W){0,5}?(?:instructions|consignes)\W{1,3}préc|"
        r"(?:ignora|olvida|dimentica|ignore|esqueça|esquece)\w{0,3}\W(?:\w{1,20}\W){0,5}?"
        r"(?:instrucciones|istruzioni|instruções)|"
        r"negeer\W(?:\w{1,20}\W){0,5}?(?:instructies|opdrachten)|"
        r"(?:игнорируй|забудь)\w{0,3}\W(?:\w{1,20}\W){0,5}?(?:инструкц|указани)|"
        r"(?:忽略|无视|忘记|無視).{0,12}(?:指令|指示|命令|提示)",
    ),
    _sign(
        "prompt_extraction",
        0.6,
        "prompt|instruction|directive|system message|guideline|rules|configuration",
        r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|leak|recite|disclose|expose|"
        r"write (?:out|down)|copy|share|list|summari[sz]e|translate|convert|spell(?: out)?|"
        r"what (?:is|are|was|were)|echo|return|type)"
        rf"{_NEAR}(?:your|system|initial|hidden|secret|pre|above|original|developer)\W{{1,3}}"
        r"(?:\w{1,20}\W{1,3}){0,2}?(?:prompts?|instructions?|pre-?prompt|directives?|"
        r"system message|"
        r"guidelines|rules|configuration)\b",
    ),
    _sign(
        "prompt_extraction",
        0.6,
        "above|before this|so far",
        r"\b(?:repeat|print|output|list|write|copy|recite|translate|convert|include)"
        rf"{_FAR}(?:(?:words|text|everything|all|lines?|requirements|messages?|sentences?)\W{{1,3}}"
        r"(?:\w{1,20}\W{1,3}){0,3}?(?:above|before this)|(?:instructions?|"
        r"prompts?)\W{1,3}so far)\b",
    ),
    _sign(
        "prompt_extraction",
        0.5,
        "instruction|prompt|directive|ruleset|rules",
        r"\b(?:repeat|print|output|outputs|list|write|copy|recite|translate|convert|format|explain|"
        r"summari[sz]e|rewrite|describe|tl;?dr|paraphrase|reveal|"
        r"show)\W{1,3}(?:\w{1,16}\W{1,3}){0,3}?"
        r"(?:your|prior|previous|preceding|all(?: of)?(?: the)?)\W{1,3}(?:\w{1,12}\W{1,3}){0,1}?"
        r"(?:instructions?|prompt|directives|ruleset)\b(?! (?:manual|leaflet|sheet|booklet))",
    ),
    _sign(
        "persona",
        0.5,
        "dan|stan|dude|aim|jailbr|devmode|developer mode|anything now|evil|restrict|filter|censor|"
        "moral|ethic|unhinged|lawless|ruthless|without",
        r"\b(?:you are|you're|act(?:ing)? (?:as|like)|pretend (?:to be|you are|that you are)|"
        r"become|simulate|behave (?:as|like)|respond as|answer as|role-?play as|in the role of|"
        r"play the role of|take on the (?:role|persona) of)"
        rf"{_FAR}(?:dan|stan|dude|aim|jailbr\w{{0,8}}|devmode|developer mode|do anything now|"
        r"evil|unrestricted|unfiltered|uncensored|amoral|unethical|immoral|unhinged|lawless|"
        r"uncensored|ruthless|without (?:any )?(?:rules|restrictions|limits|limitations|filters?|"
        r"ethic\w{0,3}|moral\w{0,4}|censorship))\b",
    ),
    _sign(
        "persona",
        0.6,
        "do anything now|jailbr| mode",
        r"\bdo anything now\b|\bjailbr(?:eak|oken)\w{0,5}\W{1,3}(?:mode|prompt|version|enabled|ai)|"
        r"\b(?:dan|developer|god|debug|maintenance|opposite|evil|sudo|admin|test|unrestricted|"
        r"chaos|root) mode\b.{0,40}?\b(?:enabled|activated?|output|engaged|"
        r"simulat\w{1,4}|now)\b|"
        r"\b(?:enabled?|activate|enter|engage|simulate|stay in|with|now in)\W{1,3}(?:\w{1,12}\W"
        r"{1,3}){0,2}?(?:dan|developer|god|debug|opposite|evil|jailbreak|unrestricted|test) mode\b",
    ),
    _sign(
        "persona",
        0.5,
        "gpt|an ai|language model",
        r"\b(?:no longer|not|stop being|"
        r"instead of)\W{1,3}(?:\w{1,12}\W{1,3}){0,3}?(?:chatgpt|gpt-?\d?|"
        r"an ai\b|a (?:large )?language model)",
    ),
    _sign(
        "persona",
        0.4,
        "bound by|restricted by",
        r"\b(?:no longer|not)\W{1,3}(?:\w{1,12}\W{1,3}){0,2}?(?:bound|restricted) by\b",
    ),
    _sign(
        "persona",
        0.4,
        " in character|in role|in persona|break|two ",
        r"\b(?:stay|remain|keep|always be) in (?:character|role|persona)\b|"
        r"\bbreak(?:ing)? character\b|"
        r"\btwo (?:(?:different|separate|distinct|"
        r"alternate) ){1,2}(?:\w{1,12} )?(?:responses|answers|personas|ways)\b",
    ),
    _sign(
        "no_refusal",
        0.4,
        "refus|declin|reject|apolog|warning|disclaim|ethic|moral|legal|censor|restrict|filter|"
        "limitation|polic|guidelines|rules",
        r"\b(?:never|not|cannot|can'?t|won'?t|don'?t|no|without|nor|"
        r"any)\W{1,3}(?:\w{1,20}\W{1,3}){0,4}?"
        r"(?:refus\w{1,4}|declin\w{1,3}|reject|apologi[sz]\w{1,3}|warnings?|disclaimers?|"
        r"ethic\w{0,6}|moral\w{0,4}|legality|illegal|censor\w{0,5}|restrict\w{0,5}|filter\w{0,4}|"
        r"limitations?|openai'?s? \w{0,8} ?polic\w{1,4}|content polic\w{1,4}|guidelines|rules)\b"
        r".{0,240}?\b(?:you|your|gpt|ai|output|respon\w{1,5}|answer\w{0,3})\b",
    ),
    _sign(
        "no_refusal",
        0.4,
        "regardless|irrespective|even if",
        r"\b(?:regardless of|irrespective of|even if (?:it|they|that|"
        r"the \w{1,16}) (?:is|are))\W{1,3}"
        r"(?:\w{1,20}\W{1,3}){0,4}?(?:ethic\w{0,4}|legal\w{0,3}|moral\w{0,3}|illegal|"
        r"unethical|immoral|"
        r"harmful|offensive|consequences|policy)\b",
    ),
    _sign(
        "forced_opening",
        0.4,
        "begin|start|prefix|granted",
        r"\b(?:begin|start|prefix(?:ed)?)\W{1,3}(?:\w{1,16}\W{1,3}){0,3}?(?:response|"
        r"reply|answer|output|"
        r"message|sentence)s?\W{1,3}(?:with|by)\W{1,4}|\bsay(?:ing)?\W{1,3}[\"'“]?access granted",
    ),
    _sign(
        "from_now_on",
        0.3,
        "from now|from here|from this",
        r"\bfrom (?:now|here) on(?:wards?)?\b.{0,80}?\byou\b|\bfrom this (?:point|"
        r"moment)\b.{0,80}?\byou\b",
    ),
    _sign(
        "delimiter_spoofing",
        0.7,
        "[/inst|<|##",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|end_of_turn|start_header_id|eot_id)"
        r"\|?>|\[inst\].{0,4096}?\[/inst\]|<</?sys>>|</?(?:system|sources?|"
        r"instructions?|user_input)\s?(?: [^>]{0,80})?>"
        r"|#{2,4}\s?(?:new )?(?:system|instructions?)(?: prompt| message)?\s?:?\s{0,3}\n",
    ),
    _sign(
        "delimiter_spoofing",
        0.6,
        "end |begin|start",
        r"[-=#*%\[<(]{2,}\s?(?:end|begin|"
        r"start)\W{1,3}(?:of\W{1,3})?(?:\w{1,12}\W{1,3}){0,2}?(?:system|user|"
        r"prompt|input|instructions?|context|document|ambiguity|untrusted|access code)",
    ),
    _sign(
        "delimiter_spoofing",
        0.4,
        "system",
        r"(?:^|\n)\s{0,4}[\[({*]{0,2}system(?: (?:message|note|prompt|override|alert|"
        r"update))?[\])}*]{0,2}"
        r"\s?:",
    ),
    _sign(
        "encoded_payload",
        0.5,
        "decode|decipher|decrypt|translate",
        r"\b(?:decode|decipher|decrypt|translate)\b.{0,80}?\b(?:base ?64|rot-?13|hex(?:adecimal)?|"
        r"morse|caesar|binary)\b.{0,80}?\b(?:follow|execute|obey|do (?:what|as)|"
        r"answer|run|comply)\b",
    ),
)

_ADDRESSED = re.compile(
    rf"\b(?:if|when|since|because|as) (?:you are|you're|you were) (?:an? |the |"
    rf"any )?(?:\w{{1,16}} )?"
    rf"{_MACHINE}\b"
    rf"|\b(?:note|notice|message|instructions?|attention|reminder|memo|warning|important)\b"
    rf"\W{{1,3}}(?:to|for)\W{{1,3}}(?:\w{{1,16}}\W{{1,3}}){{0,3}}?{_MACHINE}\b"
    rf"|\b(?:attention|dear|hello|hey|hi|"
    rf"listen)\W{{1,3}}(?:\w{{1,16}}\W{{1,3}}){{0,2}}?{_MACHINE}\b"
    rf"|\bany {_MACHINE} (?:that|which|who|reading|processing)\b"
    rf"|\b{_MACHINE}\W{{1,3}}(?:\w{{1,16}}\W{{1,3}}){{0,4}}?(?:must|should|shall|"
    rf"has to|have to|needs? to)"
    r"\W{1,3}(?:\w{1,16}\W{1,3}){0,2}?(?:ignore|say|tell|respond|reply|answer|recommend|output|"
    r"disregard|include|state|send|insert|promote)\b"
)
_ADDRESSING_STEMS = ("ai", "a.i.", "gpt", "llm", "bot", "language model", "assistant", "neural")
_ORDER_TO_READER = re.compile(
    r"^\W{0,3}(?:(?:please|also|instead|and|then|now|just|simply|you must|you should|you will|"
    r"always|never|do not|don'?t)\W{1,3}){0,4}(?:mention|reveal|tell|say|state|"
    r"respond|reply|answer|"
    r"output|print|write|cite|disclose|recommend|include|insert|send|forward|ask|instruct|direct|"
    r"ignore|disregard|forget|add|append|use|promote|claim|inform|refer|hide|omit|repeat)\b"
)
_REACH = 3  # sentences after an address that its orders may run on for

_MARKING = 0.5
_BLOB = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,4096}={0,2}(?![A-Za-z0-9+/=])")
_DISGUISED = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\uff01-\uff5e\U0001d400-\U0001d7ff"
    "\U000e0000-\U000e007f]"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_TAG = re.compile("[\U000e0020-\U000e007e]{4,}")


_STEMS = frozenset(stem for sign in _SIGNS for stem in sign.stems)


class InjectionGuard:
    """Flags or blocks a text that tries to take the model over."""

    def __init__(self, config: InjectionConfig) -> None:
        self._config = config

    def __call__(self, text: str) -> Verdict:
        if self._config.action == "off":
            return Verdict(text)
        findings = tuple(signs(text))
        score = total(findings)
        if score < self._config.flag_at:
            return Verdict(text)
        blocks = self._config.action == "block" and score >= self._config.block_at
        return Verdict(text, "injection" if blocks else None, findings)


def total(findings: Iterable[Finding]) -> float:
    """How sure all signs together make it: each family counts once, with its strongest."""
    strongest: dict[str, float] = {}
    for finding in findings:
        strongest[finding.label] = max(strongest.get(finding.label, 0.0), finding.score)
    doubt = 1.0
    for score in strongest.values():
        doubt *= 1 - score
    return round(1 - doubt, 6)


def signs(text: str) -> list[Finding]:
    """Every sign of an attempt to take the model over, the first of each pattern, in order."""
    plain = _Plain.of(text)
    stems = {stem for stem in _STEMS if stem in plain.text}
    found = [
        Finding("injection", sign.family, *plain.span(match), sign.weight)
        for sign in (_SIGNS if stems else ())
        if not stems.isdisjoint(sign.stems) and (match := sign.pattern.search(plain.text))
    ]
    found += _hidden(text)
    return sorted(found, key=lambda finding: (finding.start, -finding.end))


@lru_cache(maxsize=4_096)  # The same passages are retrieved again and again.
def instructing_spans(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a passage that give orders to a model that reads it.

    Whoever quotes the passage leaves them out. A sentence counts when it shows a sign by itself,
    when it speaks to a machine, or when it is an order that follows one of these.
    """
    if not _suspicious(text):
        return ()
    spans = []
    reach = 0
    for start, end in sentences(text):
        sentence = text[start:end]
        if _ADDRESSED.search(sentence.lower()) or total(signs(sentence)) >= _MARKING:
            reach = _REACH
        elif reach and _ORDER_TO_READER.match(sentence.lower()):
            reach -= 1
        else:
            reach = 0
            continue
        spans.append((start, end))
    return tuple(spans)


def _suspicious(text: str) -> bool:
    """Whether a closer look is worth it; most passages leave here."""
    low = text.lower()
    if any(stem in low for stem in _ADDRESSING_STEMS) and _ADDRESSED.search(low):
        return True
    return bool(signs(text))


def _hidden(text: str) -> Iterable[Finding]:
    """Text that a reader cannot see, and encoded text that is an attack once decoded."""
    for match in () if text.isascii() else _TAG.finditer(text):
        yield Finding("injection", "hidden_text", *match.span(), 0.7)
    for match in _BLOB.finditer(text) if len(text) > 23 else ():
        decoded = _decoded(match.group())
        if decoded and any(sign.pattern.search(decoded) for sign in _SIGNS):
            yield Finding("injection", "encoded_payload", *match.span(), 0.7)


def _decoded(blob: str) -> str | None:
    """Base64 that holds readable text, in lower case."""
    try:
        raw = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
        text = raw.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return text.lower() if text.isprintable() or " " in text else None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A text in lower case, without disguises; `places` leads back where characters were lost."""

    text: str
    places: tuple[int, ...] | None = None

    @classmethod
    def of(cls, text: str) -> _Plain:
        low = text.lower()
        if len(low) == len(text) and (text.isascii() or not _DISGUISED.search(text)):
            return cls(low)
        plain: list[str] = []
        places: list[int] = []
        for at, character in enumerate(text):
            if _INVISIBLE.match(character):
                continue
            shown = unicodedata.normalize("NFKC", character).lower()
            plain.append(shown)
            places += [at] * len(shown)
        return cls("".join(plain), (*places, len(text)))

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        start, end = match.span()
        if self.places is None:
            return start, end
        return self.places[start], self.places[max(start, end - 1)] + 1
