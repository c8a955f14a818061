from __future__ import annotations

import pytest

from gateway.adapters.names import BadName, Reference, checked_name, checked_tenant, reference


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("support-v3", Reference("support-v3", "live")),
        ("support-v3@2", Reference("support-v3", 2)),
        ("support-v3@canary", Reference("support-v3", "canary")),
        ("7B_chat.v1@999999999", Reference("7B_chat.v1", 999_999_999)),
    ],
)
def test_a_reference_is_a_name_with_a_revision_or_an_alias(text: str, meant: Reference) -> None:
    assert reference(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "@2", "a@", "a@0", "a@02", "a@-1", "a@Canary", "a@1b", "a@b@c", "a@²", "a@١"),
        *("../etc/passwd", "..", ".hidden", "-rf", "_a", "a/b", "a\\b", "a b", "a\n", "a\x00"),
        *("acme:support", "http://x", "grün", "ａ", "a%2e", "a" * 65, "a@" + "b" * 33),
    ],
)
def test_nothing_else_is_let_in(text: str) -> None:
    with pytest.raises(BadName):
        reference(text)


def test_a_reference_is_written_as_it_is_read() -> None:
    assert [str(reference(each)) for each in ("a", "a@live", "a@2")] == ["a", "a", "a@2"]


def test_no_adapter_is_called_as_a_model_is() -> None:
    with pytest.raises(BadName, match="name of a model"):
        checked_name("fast", {"fast"})


@pytest.mark.parametrize("team", ["a:b", "a/b", "team one"])
def test_a_team_whose_name_is_no_name_has_no_adapters(team: str) -> None:
    with pytest.raises(BadName, match="team"):
        checked_tenant(team)
