"""The example configuration is one that the gateway would take."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.build import catalogue
from gateway.config import parse

EXAMPLE = Path(__file__).parents[2] / "examples" / "moorline.toml"


def test_the_example_is_valid_and_names_only_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-for-tests")
    config = parse(EXAMPLE.read_text("utf-8"))
    known = catalogue(config)
    used = [*config.routing.default, *config.routing.last_resort, "support", "small"]
    used += [name for rule in config.routing.rules for name in rule.use]
    assert all(known.resolve(name) for name in used)
