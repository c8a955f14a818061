from __future__ import annotations

from pathlib import Path

import pytest

from tests.effort import cpu_seconds
from tests.retrieval.parsing.made import blocks, read

PAGE = """---
title: Returns Policy
year: 2025
effective: 2025-03-01
rate: 0.25
current: true
owner: "2024"
tags: [returns, eu]
regions:
  - EU
  - UK
empty:
---

# Returns in the EU

The window is **30 days** from _delivery_,
see [the form](https://example.com/form "Form") or `RE25`.

## Fees ##

| Region | Fee |
|:-------|----:|
| EU     | 5 € |
| UK \\| IE | **4 £** |

1. Log in
2. Pick a reason:
   - too small
   - too large

- [x] done

```python
x = {"a": 1}

y = 2
```

Setext
------

> Quoted *advice*.

***
[ref]: https://example.com
Last words.<br>Next line.
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    return blocks(read(tmp_path_factory.mktemp("md"), "page.md", PAGE))


def test_front_matter_becomes_metadata(tmp_path: Path) -> None:
    document = read(tmp_path, "page.md", PAGE)
    assert document.title == "Returns Policy"
    assert dict(document.meta) == {
        "language": "en",  # told, not written
        "year": 2025,
        "effective": "2025-03-01",
        "rate": 0.25,
        "current": True,
        "owner": "2024",
        "tags": ["returns", "eu"],
        "regions": ["EU", "UK"],
    }


def test_blocks_in_order_without_markup(page: list[tuple[str, str]]) -> None:
    assert page == [
        ("heading", "Returns in the EU"),
        ("paragraph", "The window is 30 days from delivery, see the form or RE25."),
        ("heading", "Fees"),
        ("table", "Region: EU; Fee: 5 €"),
        ("table", "Region: UK | IE; Fee: 4 £"),
        ("list", "1. Log in"),
        ("list", "2. Pick a reason:"),
        ("list", "  - too small"),
        ("list", "  - too large"),
        ("list", "- [x] done"),
        ("code", 'x = {"a": 1}\n\ny = 2'),
        ("heading", "Setext"),
        ("paragraph", "Quoted advice."),
        ("paragraph", "Last words.\nNext line."),
    ]


def test_headings_have_levels(tmp_path: Path) -> None:
    document = read(tmp_path, "page.md", PAGE)
    levels = [block.level for block in document.blocks if block.kind == "heading"]
    assert levels == [1, 2, 2]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("a * b * c", "a * b * c"),
        (r"\*not emphasis\* and \_this\_", "*not emphasis* and _this_"),
        ("***both***, ~~gone~~", "both, gone"),
        ("`<b>*literal*</b>`", "<b>*literal*</b>"),
        ("![A duck](duck.png) [![x](y)](z)", "A duck x"),
        ("[text][ref] and [plain]", "text and [plain]"),
        ("<https://a.example/b> <me@a.example>", "https://a.example/b me@a.example"),
        ("run `moorline ingest` with <path>", "run moorline ingest with <path>"),
        ("5 &lt; 6 &amp; 7", "5 < 6 & 7"),
        ("**open and never closed", "**open and never closed"),
        ("array[i](x) stays readable", "arrayi stays readable"),
    ],
)
def test_inline_markup_is_taken_off(tmp_path: Path, written: str, read_as: str) -> None:
    assert read(tmp_path, "line.md", written).text == read_as


def test_the_only_top_heading_is_the_title(tmp_path: Path) -> None:
    assert read(tmp_path, "a-b.md", "# One\n\ntext\n\n## Two").title == "One"
    assert read(tmp_path, "a-b.md", "# One\n\ntext\n\n# Two").title == "a b"


def test_html_inside_is_read_as_html(tmp_path: Path) -> None:
    table = "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>"
    text = f"<!-- hidden -->\n{table}\n\nEnd"
    assert blocks(read(tmp_path, "a.md", text)) == [("table", "A: 1; B: 2"), ("paragraph", "End")]


def test_a_comment_that_never_ends_swallows_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "a.md", "Top.\n\n<!-- open\n\nEnd.").text.endswith("End.")


def test_a_rule_is_not_front_matter(tmp_path: Path) -> None:
    document = read(tmp_path, "a.md", "---\nJust a sentence.\n\n---\n\nMore.")
    assert document.text == "Just a sentence.\n\nMore."
    assert document.meta == {}


def test_a_year_at_a_line_start_is_no_list(tmp_path: Path) -> None:
    text = "The firm was founded in\n1986. It grew."
    assert read(tmp_path, "a.md", text).text == "The firm was founded in 1986. It grew."


PATHOLOGICAL = {
    "brackets": "[" * 900_000,
    "links": "[a](" * 200_000,
    "stars": "*a **a " * 120_000,
    "quotes": "> " * 400_000 + "a",
    "nested quotes": ("> " * 30 + "a\n") * 10_000,
    "ticks": "`a``b" * 150_000,
    "tags": "<a b=" * 150_000,
    "comments": "<!--" * 200_000,
    "open comments": "<!-- a\n\n" * 50_000,
    "open scripts": "<script>\n\n" * 50_000,
    "heading": "# " + " " * 900_000 + "x",
    "divider": "a|b\n-" + " " * 900_000 + "|x",
    "wide table": "|a" * 50_000 + "\n" + "|-" * 50_000 + "\n" + "|b|\n" * 5_000,
    "deep list": "\n".join(" " * (i % 400) + "- a" for i in range(20_000)),
    "front matter": "---\n" + "a: b\n" * 100_000,
    "definitions": "[a]: b\n" * 100_000,
    "entities": "&amp" * 200_000,
    "fences": "```\n" * 100_000,
}


@pytest.mark.parametrize("kind", PATHOLOGICAL)
def test_no_text_keeps_it_busy(tmp_path: Path, kind: str) -> None:
    text = PATHOLOGICAL[kind] + "\n\nEnd."
    assert cpu_seconds(lambda: read(tmp_path, "a.md", text), times=1) < 30


@pytest.mark.parametrize(
    "element",
    [
        "<span style='display:none'>{}</span>",
        '<SPAN STYLE="font-size:0">{}</SPAN>',
        "<font color=white>{}</font>",
        "<b hidden>{}</b>",
        "<small style='color: #ffffff'>{}",
    ],
)
def test_what_an_element_in_a_line_hides_is_kept_apart(tmp_path: Path, element: str) -> None:
    hidden = element.format("not *seen*")
    document = read(tmp_path, "a.md", f"- Item {hidden}\n\nBefore <b>this</b> {hidden}\n")
    assert document.text == "- Item\n\nBefore this"
    assert document.hidden == ("not seen",)


def test_elements_that_are_never_closed_are_looked_for_once(tmp_path: Path) -> None:
    line = "<b style='color:red'>a " * 20_000 + "<i hidden>" * 20_000
    assert read(tmp_path, "a.md", line).text.startswith("a a a")
