"""The style sheet's colours can be read, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.dashboard import pages

SHEET = (Path(pages.__file__).parent / "static" / "moorline.css").read_text()
LIGHT, DARK = SHEET.split("@media (prefers-color-scheme: dark)")[:2]


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", text))


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


THEMES = [pytest.param(colours(LIGHT), id="light"), pytest.param(colours(DARK), id="dark")]
TEXT = [
    *((ink, ground) for ink in ("ink", "ink-soft") for ground in ("surface", "ground", "sunken")),
    *(("accent", ground) for ground in ("surface", "ground", "accent-soft")),
    *((tone, f"{tone}-soft") for tone in ("ok", "warn", "error")),
    *(("error", ground) for ground in ("surface", "ground")),
    ("surface", "accent"),  # the button
    ("ink", "warn-soft"),  # a note
    ("ground", "ink"),  # a chart's tip
]
MARKS = [
    *("mark-ok", "mark-error", "mark-cost", "mark-first", "mark-second", "edge-field"),
    *("stage-plain", "stage-guard", "stage-cache", "stage-search", "stage-model"),
]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(theme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("mark", MARKS)
def test_marks_can_be_told_from_their_ground(theme: dict[str, str], mark: str) -> None:
    assert contrast(theme[mark], theme["surface"]) >= 3


def test_dark_has_every_colour_that_light_has() -> None:
    assert set(colours(LIGHT)) == set(colours(DARK))
