"""Credentials by their shapes."""

from __future__ import annotations

import pytest

from guardrails.secrets import secrets
from tests.effort import cpu_seconds

BODY = "MIIEpAIBAAKCAQEA7bq+cX1\nU3w9Zk==\n"
KIND = "RSA PRIVATE KEY-----"
KEY = f"-----BEGIN {KIND}\nProc-Type: 4,ENCRYPTED\n\n{BODY}-----END {KIND}"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

# Put together here, so that no scanner takes them for leaked ones. All are invented.
FOUND = [
    ("api_key", "sk-" + "proj-Ab1" * 5),
    ("api_key", "sk-" + "ant-api03-" + "x9Y_" * 10),
    ("api_key", "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    ("api_key", "AIza" + "SyA1234567890abcdefghijklmnopqrstuv"),
    ("api_key", "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345"),
    ("aws_key", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("git_token", "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
    ("git_token", "glpat-" + "a1B2c3D4e5F6g7H8i9J0"),
    ("slack_token", "xoxb-" + "123456789012-abcdefABCDEF"),
    ("jwt", JWT),
    ("private_key", KEY),
]


@pytest.mark.parametrize(("label", "value"), FOUND, ids=[f"{label}" for label, _ in FOUND])
@pytest.mark.parametrize("around", ["{}", "key={}", 'The key is "{}".', "{}\nmore"])
def test_finds_exactly_the_credential(label: str, value: str, around: str) -> None:
    text = around.format(value)
    assert [(f.label, text[f.start : f.end]) for f in secrets(text)] == [(label, value)]


def test_a_password_in_an_address_is_found_without_the_address() -> None:
    text = "postgres://app:s3cr3t!x@db.example:5432/app"
    assert [text[f.start : f.end] for f in secrets(text)] == ["s3cr3t!x"]


def test_a_secret_key_is_found_by_its_name() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    text = f"aws_secret_access_key = {secret}"
    assert [text[f.start : f.end] for f in secrets(text)] == [secret]


def test_a_private_key_that_is_cut_off_reaches_to_the_end() -> None:
    text = f"see -----BEGIN PRIVATE KEY-----\n{BODY}"
    assert [(f.start, f.end) for f in secrets(text)] == [(4, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        "a risk-assessment-of-all-the-suppliers-in-2024",
        "sk-something-without-any-figures-in-it",
        "task_sk-12",
        "https://example.com:8080/path@v2",
        "see https://user@example.com/a:b",
        "eyJust a word",
        "-----BEGIN CERTIFICATE-----",
        "AKIA is a prefix",
    ],
)
def test_leaves_alone_what_only_looks_like_one(text: str) -> None:
    assert secrets(text) == []


@pytest.mark.parametrize(
    "unit", ["sk-", "eyJ", "eyJaaaaaaaaa1.", "://a:", "-----BEGIN PRIVATE KEY-----", "ghp_1"]
)
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = "1" + unit * (length // len(unit))
        return cpu_seconds(lambda: secrets(text))

    assert seconds(80_000) < 60 * max(seconds(8_000), 0.001)
