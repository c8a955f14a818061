"""Credentials in a text, by the shapes that their issuers gave them. Knows no policy.

Each shape begins with its issuer's prefix, which is searched for first. A text without a digit
has none but those in `_WITHOUT_DIGITS`. Every repetition is bounded, so that no text takes more
than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from guardrails.types import Finding


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a credential looks like from its prefix on; the group is the part that is secret."""

    label: str
    prefix: str
    pattern: re.Pattern[str]


def _shape(label: str, prefix: str, rest: str) -> _Shape:
    return _Shape(label, prefix, re.compile(f"({re.escape(prefix)}{rest})", re.ASCII))


_END = r"(?![A-Za-z0-9])"
_SHAPES = (
    _shape("api_key", "sk-", r"(?=[\w-]{0,80}\d)[\w-]{20,220}"),
    *(_shape("api_key", p, r"[A-Za-z0-9]{16,128}") for p in ("sk_live_", "sk_test_", "rk_live_")),
    _shape("api_key", "AIza", r"[\w-]{35}"),
    _shape("api_key", "hf_", r"[A-Za-z0-9]{30,64}"),
    _shape("api_key", "npm_", r"[A-Za-z0-9]{36}"),
    _shape("api_key", "pypi-AgEI", r"[\w-]{50,400}"),
    _shape("api_key", "SG.", r"[\w-]{16,32}\.[\w-]{32,64}"),
    *(_shape("aws_key", p, r"[A-Z0-9]{16}" + _END) for p in ("AKIA", "ASIA")),
    *(_shape("git_token", f"gh{kind}_", r"[A-Za-z0-9]{36,255}") for kind in "pousr"),
    _shape("git_token", "github_pat_", r"\w{22,255}"),
    _shape("git_token", "glpat-", r"[\w-]{20,64}"),
    *(_shape("slack_token", f"xox{kind}-", r"[A-Za-z0-9-]{10,255}") for kind in "abeoprs"),
    _shape("jwt", "eyJ", r"[\w-]{8,4096}\.eyJ[\w-]{8,8192}\.[\w-]{8,2048}"),
    *(
        _Shape(
            "aws_secret",
            prefix,
            re.compile(
                rf"""{prefix}["']?\s{{0,4}}[=:]\s{{0,4}}["']?([A-Za-z0-9/+]{{40}})(?![\w/+])"""
            ),
        )
        for prefix in ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
    ),
    _Shape("url_password", "://", re.compile(r"://[^\s:/@]{1,64}:([^\s/@]{3,128})@")),
    _Shape(
        "private_key",
        "-----BEGIN ",
        # A block that is cut off reaches to the end of the text.
        re.compile(
            r"(-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^-]|-(?!----)){0,16384}(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?)"
        ),
    ),
)


def _marked() -> tuple[tuple[str, tuple[_Shape, ...]], ...]:
    """The shapes by a character of their prefix that few texts have, or by the prefix itself: most
    texts are told by a few searches."""
    groups: dict[str, list[_Shape]] = {}
    for shape in _SHAPES:
        mark = next((c for c in "_-" if c in shape.prefix), shape.prefix)
        groups.setdefault(mark, []).append(shape)
    return tuple((mark, tuple(shapes)) for mark, shapes in groups.items())


_MARKED = _marked()
_WITHOUT_DIGITS = ("://", "-----BEGIN ")


def secrets(text: str) -> list[Finding]:
    """Every credential in the text, in order, apart."""
    if not has_digit(text) and not any(prefix in text for prefix in _WITHOUT_DIGITS):
        return []
    found: list[Finding] = []
    for mark, shapes in _MARKED:
        if mark in text:
            for shape in shapes:
                if shape.prefix in text:
                    found += _of(shape, text)
    return _apart(found) if len(found) > 1 else found


def has_digit(text: str) -> bool:
    """Ten searches for one character are faster than one for ten characters."""
    return any(digit in text for digit in "0123456789")


def _of(shape: _Shape, text: str) -> Iterable[Finding]:
    at = text.find(shape.prefix)
    while at >= 0:
        match = shape.pattern.match(text, at)
        if match and (shape.prefix == "://" or at == 0 or not text[at - 1].isalnum()):
            yield Finding("secrets", shape.label, *match.span(1))
            at = match.end() - 1
        at = text.find(shape.prefix, at + 1)


def _apart(found: list[Finding]) -> list[Finding]:
    """In order; of two that overlap the one that begins first."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return kept
