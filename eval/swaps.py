"""Questions whose answer must differ from a given one's: the same words but for a number, a name,
a unit, a direction or a negation. And questions that merely look different and ask the same.

It shares no word list with the rules that it is there to test. The same seed makes the same pairs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|[.,]\d)")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_NAMED = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?:\.?[a-z]+)*\b(?: [A-Z][a-z]{2,}\b)*")
"""Capitalised in the middle of a sentence."""

_SPELT = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty "
    "sixty ninety hundred thousand million billion"
)

_KINDS = (
    # one line, one kind of thing; a thing is exchanged for another of its line
    "monday tuesday wednesday thursday friday saturday sunday",
    "january february april june july august september october november december",
    "spring autumn winter",
    "spanish italian french german russian chinese japanese portuguese arabic hindi korean turkish "
    "dutch swedish polish greek english",
    "india china pakistan america canada australia germany france japan russia brazil england "
    "mexico italy spain turkey iran israel singapore indonesia nigeria egypt kenya thailand",
    "london paris tokyo delhi mumbai chicago boston seattle houston denver dallas miami atlanta "
    "bangalore hyderabad chennai dubai sydney toronto moscow berlin rome madrid orlando phoenix "
    "philadelphia portland austin cleveland detroit",
    "google facebook microsoft apple amazon twitter instagram quora whatsapp snapchat uber netflix "
    "youtube linkedin yahoo",
    "python java javascript php ruby perl matlab scala",
    "android ios windows linux",
    "visa mastercard discover amex",
    "math physics chemistry biology history economics psychology philosophy geography",
    "dog cat horse rabbit snake hamster",
    "chicken beef pork salmon rice pasta pizza lasagna tofu shrimp turkey bread",
    "red blue green yellow black white purple pink orange",
    "mother father brother sister wife husband son daughter boyfriend girlfriend",
    "doctor lawyer engineer teacher nurse accountant pilot",
    "checking savings retirement",
    "breakfast lunch dinner",
    "morning afternoon evening",
)
_UNITS = (
    "km kilometers kilometres miles meters metres feet inches yards cm",
    "kg kilograms kilos pounds lbs grams ounces tons",
    "celsius fahrenheit kelvin",
    "liters litres gallons cups pints ml tablespoons teaspoons",
    "seconds minutes hours days weeks months years decades",
    "dollars euros pounds rupees yen usd eur gbp inr yuan pesos",
    "gb mb tb kb gigabytes megabytes terabytes",
    "hour minute day week month year century",
    "mile kilometer meter foot inch",
    "kilogram pound gram ounce",
    "gallon liter cup pint tablespoon teaspoon",
)
_OPPOSITES = (
    "increase decrease, increasing decreasing, increased decreased, before after, buy sell, "
    "buying selling, more less, most least, gain lose, gaining losing, best worst, better worse, "
    "open close, enable disable, add remove, start stop, win lose, love hate, high low, "
    "higher lower, highest lowest, fast slow, faster slower, big small, bigger smaller, "
    "largest smallest, long short, longer shorter, longest shortest, old new, older younger, "
    "oldest youngest, hot cold, hard easy, harder easier, hardest easiest, strong weak, rich poor, "
    "good bad, male female, men women, man woman, boys girls, boy girl, import export, "
    "upload download, lock unlock, legal illegal, possible impossible, advantages disadvantages, "
    "pros cons, positive negative, public private, married single, left right, up down, "
    "upgrade downgrade, deposit withdraw, borrow lend, send receive, arrive leave, "
    "arrival departure, early late, first last, cheap expensive, cheapest expensive, "
    "maximum minimum, success failure, true false, north south, east west, encrypt decrypt, "
    "accept reject, raise reduce, up down, on off, inside outside, above below, over under, "
    "safe dangerous, healthy unhealthy, awake asleep, push pull, install uninstall, "
    "subscribe unsubscribe, follow unfollow, freeze unfreeze, block unblock, hide show, "
    "connect disconnect, appear disappear, strengths weaknesses, benefits drawbacks, "
    "introvert extrovert, introverts extroverts, debit credit, day night, summer winter"
)
HELD_OUT = (
    "ascending descending, shallow deep, thick thin, wide narrow, heavy light, loud quiet, "
    "bright dark, tall short, full empty, wet dry, dirty clean, guilty innocent, polite rude, "
    "brave cowardly, ancient modern, tight loose, sharp blunt, permanent temporary, "
    "tighten loosen, melt freeze, remember forget, hire fire, laugh cry, attack defend, "
    "destroy create, expand shrink, inhale exhale, overweight underweight, optimist pessimist, "
    "maternal paternal, uncle aunt, king queen, actor actress, birth death, victory defeat, "
    "enemy friend, ceiling floor, sunrise sunset, asset liability, supply demand, plus minus"
)
"""Opposites that neither the rules nor the training ever saw; a test keeps it so."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """A question with one thing in it exchanged."""

    text: str
    kind: str
    was: str
    now: str


def numbers_in(text: str) -> list[str]:
    """Its numbers, as they are written."""
    return _NUMBER.findall(text)


def _exchanges(lines: Iterable[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        words = line.split()
        for word in words:
            found.setdefault(word, []).extend(other for other in words if other != word)
    return MappingProxyType(found)


_THINGS, _MEASURES = _exchanges(_KINDS), _exchanges(_UNITS)
_SAME_UNIT = tuple(
    frozenset(line.split())
    for line in (
        "km kilometers kilometres kilometer", "meters metres meter", "miles mile",
        "feet foot", "inches inch", "kg kilograms kilos kilogram", "pounds lbs pound gbp",
        "grams gram", "ounces ounce", "liters litres liter", "dollars usd", "euros eur",
        "rupees inr", "gb gigabytes", "mb megabytes", "tb terabytes",
    )
)  # fmt: skip
_KNOWN_OPPOSITES = _exchanges(_OPPOSITES.split(","))
_HELD_OUT = _exchanges(HELD_OUT.split(","))


def names(questions: Iterable[str]) -> list[str]:
    """The names that questions hold, for others to be exchanged for."""
    return sorted({found.group() for text in questions for found in _NAMED.finditer(text)})


class Swaps:
    """Makes questions with another answer. `names` come from questions of the same part, so that
    no test name was ever trained on; `held_out` brings opposites in that no one was taught."""

    def __init__(self, names: Sequence[str], seed: int, held_out: bool = False) -> None:
        self._names = names
        self._chosen = random.Random(seed)
        self._opposites = {**_KNOWN_OPPOSITES, **(_HELD_OUT if held_out else {})}
        self._only_held_out = held_out
        self.kinds: Mapping[str, Callable[[str], Swapped | None]] = {
            "number": self._number,
            "entity": self._entity,
            "unit": self._unit,
            "direction": self._direction,
            "negation": self._negation,
        }
        if held_out:
            self.kinds = {"unseen direction": self._unseen}

    def of(self, question: str) -> list[Swapped]:
        """One a kind, where the question has something to be exchanged."""
        made = (make(question) for make in self.kinds.values())
        return [each for each in made if each and each.text.lower() != question.lower()]

    def _number(self, text: str) -> Swapped | None:
        if found := list(_NUMBER.finditer(text)):
            number = self._chosen.choice(found)
            was = number.group()
            return _put(text, number, self._other_number(was), "number")
        return self._word(text, _exchanges([_SPELT]), "number")

    def _other_number(self, was: str) -> str:
        plain = was.replace(",", "")
        while True:
            if "." in plain:
                now = f"{float(plain) + self._chosen.choice((-0.5, 0.5, 1.0, 2.0)):g}"
            elif len(plain) == 4 and plain[:2] in ("19", "20"):
                now = str(int(plain) + self._chosen.choice((-5, -3, -2, -1, 1, 2, 3)))
            else:
                scale = self._chosen.choice((0.1, 0.5, 2, 3, 10))
                now = str(max(1, int(int(plain) * scale) + self._chosen.choice((0, 1, 2))))
            if now != plain and not now.startswith("-"):
                return now

    def _entity(self, text: str) -> Swapped | None:
        named = [found for found in _NAMED.finditer(text) if found.group().lower() not in _THINGS]
        if named and self._names and self._chosen.random() < 0.5:
            name = self._chosen.choice(named)
            now = self._chosen.choice(self._names)
            if now.lower() not in text.lower():
                return _put(text, name, now, "entity")
        return self._word(text, _THINGS, "entity")

    def _unit(self, text: str) -> Swapped | None:
        return self._word(text, _MEASURES, "unit")

    def _direction(self, text: str) -> Swapped | None:
        if (around := _between(text)) and self._chosen.random() < 0.5:
            return around
        return self._word(text, self._opposites, "direction") or _between(text)

    def _unseen(self, text: str) -> Swapped | None:
        return self._word(text, _HELD_OUT, "unseen direction")

    def _negation(self, text: str) -> Swapped | None:
        for pattern, instead in self._chosen.sample(_NEGATIONS, len(_NEGATIONS)):
            if found := pattern.search(text):
                now = found.expand(instead)
                return _put(text, found, now, "negation")
        return None

    def _word(self, text: str, exchanges: Mapping[str, Sequence[str]], kind: str) -> Swapped | None:
        there = {found.group().lower() for found in _WORD.finditer(text)}
        places = [f for f in _WORD.finditer(text) if f.group().lower() in exchanges]
        self._chosen.shuffle(places)
        for place in places:
            was = place.group()
            same = next((unit for unit in _SAME_UNIT if was.lower() in unit), frozenset())
            others = [o for o in exchanges[was.lower()] if o not in there and o not in same]
            if others and _is_meant(text, place, kind):
                now = self._chosen.choice(others)
                now = now.upper() if was.isupper() and len(was) > 1 else now
                now = now.capitalize() if was[0].isupper() and not was.isupper() else now
                return _put(text, place, now, kind)
        return None


def _is_meant(text: str, place: re.Match[str], kind: str) -> bool:
    """Not `on` and `over` in a fixed phrase: only where the word carries the question."""
    word = place.group().lower()
    around = text[max(0, place.start() - 12) : place.end() + 12].lower()
    if word in ("over", "under", "above", "below"):
        return bool(re.search(rf"\b{word} (?:the age|\d|\$)", around))
    if word in ("on", "off", "up", "down"):
        return bool(
            re.search(
                r"\b(?:turn|switch|speed|volume|power)(?:ed|ing)? \w*$",
                text[: place.start()].lower(),
            )
        )
    if word in ("left", "right"):
        return bool(re.search(rf"\b{word} (?:hand|side|eye|arm|leg|foot|ear|wing)", around))
    if word == "may" or (
        word == "new" and re.search(r"new (?:york|delhi|year|zealand|orleans)", around)
    ):
        return False
    if kind == "entity" and word in ("black", "white", "apple", "orange", "turkey", "visa"):
        return False
    return not (word == "long" and "how long" in around and "short" in around)


_BETWEEN = re.compile(
    r"\bfrom ([A-Za-z]{3,}(?: [A-Z][a-z]+)?) to ([A-Za-z]{3,}(?: [A-Z][a-z]+)?)\b"
)
_PLAIN_WORDS = "the your this that what where home work scratch one some being time"
_NO_PLACES = frozenset(_PLAIN_WORDS.split())


def _between(text: str) -> Swapped | None:
    """`from A to B` the other way round."""
    found = _BETWEEN.search(text)
    if not found or {found[1].lower(), found[2].lower()} & _NO_PLACES:
        return None
    return _put(text, found, f"from {found[2]} to {found[1]}", "direction")


_NEGATIONS: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"^(why) (do|does|did|can|should|would)\b (?!not)([a-z]+)\b(?! not)", r"\1 \2 \3 not"),
        (r"^(why) (is|are|was|were)\b (it|he|she|they|we|you|there|my \w+)\b(?! not)",
         r"\1 \2 \3 not"),
        (r"^(why) (do|does|did|is|are|was|were|should|would)n['’]t\b", r"\1 \2"),
        (r"\b(do|does|did|is|are|was|were|should|would|could)n['’]t\b", r"\1"),
        (r"\bcan['’]t\b", "can"),
        (r"\b(do|does|did|can|should|is|are|will) not\b", r"\1"),
        (r"\bcannot\b", "can"),
        (r"\bwithout\b", "with"),
        (r"\bwith(?= (?:a|an|no|my|the|out)\b)", "without"),
        (r"\b(what|which|who)((?: \w+)?) (can|should|will|would) (i|we|you|one)\b(?! not)",
         r"\1\2 \3 \4 not"),
        (r"\b(people|men|women|girls|guys|students|Indians|Americans) (like|want|have|need|use|"
         r"think|believe|care|know|love|get)\b", r"\1 not \2"),
        (r"\b(who|that) (are|is|were|can|have|has)\b(?! not)", r"\1 \2 not"),
        (r"\bnever\b", "always"),
        (r"\balways\b", "never"),
    )
)  # fmt: skip


def _put(text: str, place: re.Match[str], now: str, kind: str) -> Swapped:
    return Swapped(f"{text[: place.start()]}{now}{text[place.end() :]}", kind, place.group(), now)


_OPENINGS = (
    "please tell me ", "can you tell me ", "i want to know ", "i would like to know ", "hey, ",
    "hi, ", "do you know ", "quick question: ", "tell me, ", "i was wondering ", "so ", "ok, ",
)  # fmt: skip
_CONTRACTED = (
    ("what is", "what's"), ("how do i", "how can i"), ("do not", "don't"), ("cannot", "can't"),
    ("i am", "i'm"), ("is not", "isn't"), ("what are the", "what are some of the"),
    ("how to", "how do i"), ("what is the best way to", "how do i best"), ("where is", "where's"),
    ("does not", "doesn't"), ("who is", "who's"), ("help me", "please help me"),
)  # fmt: skip
_FIGURES = "2 3 4 5 6 7 8 9 10 11 12 15 20 30 40 50 60 90"
_DIGITS = dict(zip(_FIGURES.split(), _SPELT.split(), strict=False))


def restyled(question: str, chosen: random.Random) -> str:
    """The same question as someone else might type it: nothing that is asked for changes."""
    text = question
    for _ in range(chosen.choice((1, 1, 2))):
        text = chosen.choice(_STYLES)(text, chosen)
    return text


def _opened(text: str, chosen: random.Random) -> str:
    return chosen.choice(_OPENINGS) + text[:1].lower() + text[1:]


def _closed(text: str, chosen: random.Random) -> str:
    return text.rstrip("?. ") + chosen.choice((" please", ", please?", " thanks", "??", "", "?"))


def _contracted(text: str, chosen: random.Random) -> str:
    for pair in chosen.sample(_CONTRACTED, len(_CONTRACTED)):
        for was, now in (pair, pair[::-1]):
            changed = re.sub(rf"\b{re.escape(was)}\b", now, text, count=1, flags=re.IGNORECASE)
            if changed != text:
                return changed
    return text


def _spelt(text: str, chosen: random.Random) -> str:
    found = [f for f in re.finditer(r"(?<![\w.,$])\d{1,2}(?![\w.,%])", text) if f[0] in _DIGITS]
    if not found:
        return text.lower()
    number = chosen.choice(found)
    return f"{text[: number.start()]}{_DIGITS[number[0]]}{text[number.end() :]}"


def _lowered(text: str, _: random.Random) -> str:
    return text.lower()


def _mistyped(text: str, chosen: random.Random) -> str:
    """Two letters of one long small word exchanged."""
    words = list(re.finditer(r"\b[a-z]{6,}\b", text))
    if not words:
        return text
    word = chosen.choice(words)
    at = word.start() + chosen.randrange(1, len(word[0]) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


_STYLES: Sequence[Callable[[str, random.Random], str]] = (
    _opened, _closed, _contracted, _spelt, _lowered, _mistyped, _opened, _contracted,
)  # fmt: skip
