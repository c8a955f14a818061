"""JSON that a model nearly wrote: what it may have meant, the likeliest first. Rules alone, no I/O.

Around it may be prose or a code fence; inside it trailing commas, single quotes, bare keys,
comments, Python's words for constants, line breaks in strings; its end may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

LONGEST = 256 * 1024  # characters that are worth mending
_MOST_LOOKED = 4 * LONGEST  # characters behind quotes; a comment may follow each of them
_BEGINNINGS = 8  # places at which it may begin
_DEEPEST = 64

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")
_GAP = re.compile(r"(?:\s+|//[^\n]*|/\*.*?(?:\*/|\Z)|#[^\n]*)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*)?(?:\.\d*)?(?:[eE][-+]?\d*)?")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False} | dict.fromkeys(
    ("null", "none", "undefined", "nan", "infinity", "inf")
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}


def loaded(text: str) -> Any:
    """JSON's value, as strict as the standard is. Raises ValueError."""
    try:
        return _STRICT.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def meant(text: str) -> Iterator[str]:
    """JSON texts that it may have been meant to be; each can be loaded."""
    if len(text) > LONGEST:
        return
    seen = {text}
    for part in (*_FENCE.findall(text), text):
        for candidate in _inside(part):
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


def _inside(text: str) -> Iterator[str]:
    """Objects and lists in a text: as they stand, or as they were meant."""
    at = 0
    for _ in range(_BEGINNINGS):
        begins = _BRACKET.search(text, at)
        if not begins:
            return
        at = begins.start()
        try:
            _, end = _STRICT.raw_decode(text, at)
            yield text[at:end]
        except (ValueError, RecursionError):
            reading = _Reading(text, at)
            try:
                value = reading.value(0)
            except _Hopeless:
                at += 1
                continue
            end = reading.at
            if value:  # a bracket that nothing follows was none
                yield json.dumps(value, ensure_ascii=False)
        at = end


class _Hopeless(Exception):
    """This is not even nearly JSON."""


class _End(Exception):
    """The text is over where a value or a key would have begun."""


class _Reading:
    """One value, read as leniently as makes sense."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self._looked = 0  # ahead, for what follows a quote

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise _Hopeless
        self._skip()
        sign = self._peek()
        if not sign:
            raise _End
        if sign == "{":
            return self._object(depth)
        if sign == "[":
            return self._list(depth)
        if sign in _QUOTES:
            return self._string()
        if sign in "-+.0123456789":
            return self._number()
        return self._constant()

    def _object(self, depth: int) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while self._another("}"):
            key = self._key()
            self._skip()
            if not self._peek():
                break
            if self._peek() != ":":
                raise _Hopeless
            self.at += 1
            try:
                found[key] = self.value(depth + 1)
            except _End:
                break
        return found

    def _list(self, depth: int) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while self._another("]"):
            try:
                found.append(self.value(depth + 1))
            except _End:
                break
        return found

    def _another(self, closing: str) -> bool:
        """Whether one more follows; commas that are missing or too many do not matter."""
        self._skip()
        while self._peek() == ",":
            self.at += 1
            self._skip()
        sign = self._peek()
        if sign == closing:
            self.at += 1
        elif sign in ("}", "]") and sign:
            raise _Hopeless
        return bool(sign) and sign != closing

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._string()
        word = _WORD.match(self.text, self.at)
        if not word:
            raise _Hopeless
        self.at = word.end()
        return word[0]

    def _string(self) -> str:
        closing = _QUOTES[self.text[self.at]]
        self.at += 1
        said: list[str] = []
        while sign := self._peek():
            self.at += 1
            if sign == "\\":
                said.append(self._escaped())
            elif sign == closing and self._closes():
                break
            else:
                said.append(sign)
        # Two escapes may stand for one character; half of a pair stands for none.
        return "".join(said).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _closes(self) -> bool:
        """Whether the quote that was just read ends its string: what follows says so."""
        gap = _GAP.match(self.text, self.at)
        assert gap
        self._looked += gap.end() - self.at
        if self._looked > _MOST_LOOKED:
            raise _Hopeless
        return self.text[gap.end() : gap.end() + 1] in ("", ",", ":", "}", "]")

    def _escaped(self) -> str:
        sign = self._peek()
        self.at += 1
        if sign == "u":
            digits = self.text[self.at : self.at + 4]
            if len(digits) == 4 and all(c in "0123456789abcdefABCDEF" for c in digits):
                self.at += 4
                return chr(int(digits, 16))
            if self.at + len(digits) >= len(self.text):  # cut inside the escape
                self.at = len(self.text)
                return ""
        if sign in _ESCAPES:
            return _ESCAPES[sign]
        return sign if sign in ("", '"', "'", "\\", "/") else f"\\{sign}"

    def _number(self) -> Any:
        written = _NUMBER.match(self.text, self.at)
        digits = written[0].replace("_", "").lstrip("+") if written else ""
        if not any(c.isdigit() for c in digits):
            if written and digits == "-" and _WORD.match(self.text, written.end()):
                self.at = written.end()
                return self._constant()  # -Infinity
            self.at = len(self.text) if written and written.end() == len(self.text) else self.at
            raise _End if self.at == len(self.text) else _Hopeless
        assert written
        self.at = written.end()
        try:
            return int(digits)
        except ValueError:
            return _finite(digits.rstrip("eE+-"))

    def _constant(self) -> Any:
        word = _WORD.match(self.text, self.at)
        if not word:
            raise _Hopeless
        self.at = word.end()
        name = word[0].lower()
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if self.at == len(self.text):  # cut inside the word
            raise _End
        raise _Hopeless

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self) -> None:
        gap = _GAP.match(self.text, self.at)
        assert gap
        self.at = gap.end()


def _finite(digits: str) -> float | None:
    try:
        number = float(digits)
    except ValueError as error:
        raise _Hopeless from error
    return number if number - number == 0 else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse)
