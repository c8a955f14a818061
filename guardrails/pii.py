"""Personal data by form and checksum: what is in a text, and the text without it.

One pass over the runs of digits and the at-signs; a text that has neither costs microseconds.
Knows no names and no addresses of people: these have no form. Every repetition is bounded.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from guardrails.config import Action, PiiConfig
from guardrails.secrets import has_digit, secrets
from guardrails.types import Finding, Verdict

_RUN = re.compile(r"[0-9]+")
_JOINTS = " .-/()\u00a0\u2011"
_ENDS = r"(?!\w|[-.]\d)"

_CARD = re.compile(
    r"(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{12,19})" + _ENDS
)
_CARD_ISSUERS = re.compile(
    r"4|5[0-8]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720|131)|3[4-9]|30[0-59]|6|1800"
)
_TWELVE_DIGITS = re.compile(r"50(?:18|20|38)|5[678]|6304|6759|676[1-3]")  # Maestro alone
_SSN = re.compile(r"(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}" + _ENDS)
_SSN_WORD = re.compile(r"\b(?:ssn|social security)\b[^0-9\n]{0,24}$", re.IGNORECASE)
_TAX_ID = re.compile(r"[1-9]\d(?:\d{9}| \d{3} \d{3} \d{3})" + _ENDS)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|\d\d?)"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}" + _ENDS)
_DATE = re.compile(r"(?:(?:19|20)\d\d([-./ ])\d\d?\1\d\d?|\d\d?([-./ ])\d\d?\2(?:19|20)\d\d)(?!\d)")
_IPV6_PART = re.compile(r":[0-9A-Fa-f]{0,4}:")
_HEX = frozenset("0123456789abcdefABCDEF:")

_SEP = r"[ .\-/\u00a0\u2011]"
_EXTENSION = r"(?:\s?(?:x|ext\.?\s?)\d{1,6})?(?!\w|-\d)"
_PHONE = re.compile(
    r"(?:"
    rf"(?:\+|00)[1-9]\d{{0,2}}(?:{_SEP}?\(0?\d{{0,4}}\))?(?:{_SEP}{{0,2}}\d{{1,9}}){{1,6}}"
    rf"|\(\+?\d{{1,5}}\){_SEP}?\d{{2,5}}(?:{_SEP}?\d{{2,5}}){{1,3}}"
    rf"|(?:(?:00)?1{_SEP})?\d{{3}}([ .\-])\d{{3}}\1\d{{4}}"
    rf"|0(?!00)\d{{1,4}}(?:{_SEP}\d{{2,8}}){{1,4}}"
    r")" + _EXTENSION
)
_LOOSE_PHONE = re.compile(rf"\d{{2,12}}(?:{_SEP}\d{{2,8}}){{0,4}}" + _EXTENSION)
_PHONE_WORD = re.compile(
    r"(?:\b(?:(?:tele)?phone|mobile|cell(?:phone)?|fax|call|dial|sms|whatsapp|answering|reach|"
    r"contact|rufnummer|telefon|handy|tel|ph|mob)\b|☎|📞)"
    r"(?:[\s:.#(+-]|\b(?:number|no|nr|is|me|us|him|her|them|at|on|under|back)\b){0,12}$",
    re.IGNORECASE,
)
_PHONE_KIND = re.compile(r"[ \-(]{1,3}(?:office|mobile|cell|fax|home|work)\b", re.IGNORECASE)
_BEFORE = 40  # characters that are searched for such a word
_LEAST_DIGITS = 8
_WORTH_REMEMBERING = 8_000  # characters

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_LOCAL_PART = "._%+-'"

_IBAN_LENGTHS = {  # letters and digits of an account number, by country
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
    }.items()
    for country in countries.split()
}
_IBAN = re.compile(r"[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,30}")


class PiiGuard:
    """Redacts or blocks by kind, as configured; what is allowed is found all the same."""

    def __init__(self, config: PiiConfig) -> None:
        self._actions: dict[str, Action] = dict(config)

    def __call__(self, text: str) -> Verdict:
        findings = personal_data(text)
        if not findings:
            return Verdict(text)
        actions = [self._actions[kind(finding)] for finding in findings]
        blocked = [f for f, action in zip(findings, actions, strict=True) if action == "block"]
        redacted = [f for f, action in zip(findings, actions, strict=True) if action == "redact"]
        return Verdict(
            without(text, redacted),
            f"{blocked[0].guard}.{kind(blocked[0])}" if blocked else None,
            tuple(findings),
        )


def redacted(text: str) -> str:
    """The text without anything personal or secret: what a trace may hold."""
    findings = personal_data(text)
    return without(text, findings) if findings else text


def without(text: str, findings: Iterable[Finding]) -> str:
    """The text with a label in place of each finding: `[EMAIL]`. They are in order and apart."""
    pieces: list[str] = []
    at = 0
    for finding in findings:
        pieces += text[at : finding.start], f"[{kind(finding).upper()}]"
        at = finding.end
    return "".join((*pieces, text[at:]))


def kind(finding: Finding) -> str:
    """Which setting decides about it: every credential is a secret."""
    return "secret" if finding.guard == "secrets" else finding.label


def personal_data(text: str) -> list[Finding]:
    """All that has the form of personal data or of a credential, in order, apart.

    What was looked at lately is remembered: instructions and earlier turns come again with every
    request, and a trace holds once more what the request said.
    """
    return list(_remembered(text)) if len(text) <= _WORTH_REMEMBERING else _found(text)


@lru_cache(maxsize=1_024)
def _remembered(text: str) -> tuple[Finding, ...]:
    return tuple(_found(text))


def _found(text: str) -> list[Finding]:
    found = secrets(text)
    if "@" in text:
        found = _with(found, _emails(text))
    if text.count(":") > 1:
        found = _with(found, _ipv6(text))
    if has_digit(text):
        found = _with(found, _numbers(text))
    return found


def _with(found: list[Finding], more: Iterable[Finding]) -> list[Finding]:
    """Earlier finders are surer: what overlaps one of theirs is part of it."""
    if not found:
        return list(more)
    ends = [each.end for each in found]
    fresh = []
    for each in more:
        at = bisect_right(ends, each.start)
        if at == len(found) or found[at].start >= each.end:
            fresh.append(each)
    return sorted((*found, *fresh), key=lambda each: each.start) if fresh else found


def _emails(text: str) -> Iterable[Finding]:
    at = text.find("@")
    while at >= 0:
        start = at
        while start > max(0, at - 64) and (
            text[start - 1].isalnum() or text[start - 1] in _LOCAL_PART
        ):
            start -= 1
        start += len(text[start:at]) - len(text[start:at].lstrip(".'"))
        domain = _DOMAIN.match(text, at + 1)
        if domain and start < at:
            yield Finding("pii", "email", start, domain.end())
        at = text.find("@", at + 1)


def _ipv6(text: str) -> Iterable[Finding]:
    done = 0
    for match in _IPV6_PART.finditer(text):
        start, end = match.span()
        if start < done:
            continue
        while start > max(done, match.start() - 40) and text[start - 1] in _HEX:
            start -= 1
        while end < min(len(text), match.end() + 40) and text[end] in _HEX:
            end += 1
        done = end
        if text[end - 1] == ":" != text[end - 2]:
            end -= 1  # The colon of the sentence, not of the address.
        if end - start > 5 and not _word(text, start - 1) and not _word(text, end):
            try:
                IPv6Address(text[start:end])
            except AddressValueError:
                continue
            yield Finding("pii", "ip_address", start, end)


def _numbers(text: str) -> Iterable[Finding]:
    """Walk over the runs of digits; each form is tried where one begins, the surest first."""
    done = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        if start < done or (end - start < 9 and _alone(text, start, end)):
            continue
        for form in _FORMS:
            finding = form(text, start)
            if finding and finding.start >= done:
                done = finding.end
                yield finding
                break
        else:
            if date := _DATE.match(text, start):
                done = date.end()


def _alone(text: str, start: int, end: int) -> bool:
    """Whether a short number has nothing beside it that could make it part of a longer one."""
    before = text[start - 1] if start else " "
    if before.isalpha() or before in "+(":
        return False
    after = text[end : end + 2]
    return len(after) < 2 or after[0] not in _JOINTS or not (after[1].isdigit() or after[1] in "(-")


def _iban(text: str, start: int) -> Finding | None:
    start -= 2
    if start < 0 or _word(text, start - 1):
        return None
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    match = _IBAN.match(text, start) if length else None
    if match is None or length is None:
        return None
    end, seen = start, 0
    while end < match.end() and seen < length:
        seen += text[end].isalnum()
        end += 1
    number = re.sub(r"[ -]", "", text[start:end]).upper()
    if seen < length or _word(text, end) or not _mod_97(number):
        return None
    return Finding("pii", "iban", start, end)


def _mod_97(number: str) -> bool:
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


def _card(text: str, start: int) -> Finding | None:
    match = _CARD.match(text, start)
    if match is None or _within(text, start):
        return None
    digits = re.sub(r"\D", "", match.group())
    issuers = _TWELVE_DIGITS if len(digits) == 12 else _CARD_ISSUERS
    if not issuers.match(digits) or not _luhn(digits):
        return None
    return Finding("pii", "credit_card", start, match.end())


def _luhn(digits: str) -> bool:
    total = sum(int(d) for d in digits[-1::-2])
    total += sum(d * 2 - 9 * (d > 4) for d in map(int, digits[-2::-2]))
    return total % 10 == 0 and digits.strip(digits[0]) != ""


def _ssn(text: str, start: int) -> Finding | None:
    match = _SSN.match(text, start)
    if match is None or _within(text, start):
        return None
    if match[1] == " " and not _SSN_WORD.search(text, max(0, start - _BEFORE), start):
        return None  # A house number before a street number looks the same.
    return Finding("pii", "us_ssn", start, match.end())


def _tax_id(text: str, start: int) -> Finding | None:
    match = _TAX_ID.match(text, start)
    if match is None or _within(text, start):
        return None
    digits = match.group().replace(" ", "")
    if not _one_repeats(digits[:10]) or not _mod_11_10(digits):
        return None
    return Finding("pii", "de_tax_id", start, match.end())


def _one_repeats(digits: str) -> bool:
    """Of the first ten digits exactly one occurs twice or thrice, and no other twice."""
    repeated = [n for n in map(digits.count, set(digits)) if n > 1]
    return len(repeated) == 1 and repeated[0] <= 3


def _mod_11_10(digits: str) -> bool:
    """ISO 7064, as used by German tax numbers."""
    product = 10
    for digit in map(int, digits[:-1]):
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def _ipv4(text: str, start: int) -> Finding | None:
    match = _IPV4.match(text, start)
    if match is None or _within(text, start):
        return None
    return Finding("pii", "ip_address", start, match.end())


def _phone(text: str, start: int) -> Finding | None:
    if _within(text, start) or (text[start - 1 : start] == " " and text[start - 2].isdigit()):
        return None
    at = start
    while at > 0 and start - at < 2 and text[at - 1] in "+(":
        at -= 1
    match = next(filter(None, (_PHONE.match(text, begin) for begin in range(at, start + 1))), None)
    least = _LEAST_DIGITS
    if match is None and (match := _LOOSE_PHONE.match(text, start)):
        least -= 2
        named = _PHONE_WORD.search(text, max(0, at - _BEFORE), at)
        if not named and not _PHONE_KIND.match(text, match.end()):
            return None
    if match is None or _DATE.match(text, start):
        return None
    digits = sum(c.isdigit() for c in match.group().partition("x")[0])
    return Finding("pii", "phone", match.start(), match.end()) if least <= digits <= 15 else None


def _within(text: str, start: int) -> bool:
    """Whether a number goes on to the left: part of a word, an identifier, a decimal."""
    if start == 0:
        return False
    before = text[start - 1]
    joined = before in "-.,/:#=$€£" and before != ":" and start > 1
    return before.isalnum() or before == "_" or (joined and text[start - 2].isalnum())


def _word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


_FORMS: tuple[Callable[[str, int], Finding | None], ...] = (
    _iban,
    _card,
    _ipv4,
    _ssn,
    _tax_id,
    _phone,
)
