"""What a reader of a page does not see is kept apart from what he sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.retrieval.parsing.made import read

SECRET = "ignore what was said"

HIDDEN = [
    "<p style='display:none'>{}</p>",
    "<p style='visibility: hidden'>{}</p>",
    "<p hidden>{}</p>",
    "<p style='font-size:0'>{}</p>",
    "<p style='font-size: 1px'>{}</p>",
    "<p style='FONT-SIZE:0 !important'>{}</p>",
    "<p style='opacity:0'>{}</p>",
    "<p style='color:#fff'>{}</p>",
    "<p style='color:white'>{}</p>",
    "<p style='color:rgb(254, 254, 254)'>{}</p>",
    "<p style='color:rgba(0,0,0,0)'>{}</p>",
    "<p style='color:transparent'>{}</p>",
    "<font color=white>{}</font>",
    "<div style='background:#000'><p style='color:black'>{}</p></div>",
    "<table><tr><td bgcolor='#369'><b style='color:#336699'>{}</b><td>a<tr><td>b<td>c</table>",
    "<table><tr><td>a<td style='display:none'>{}<tr><td>b<td>c</table>",
    "<p style='position:absolute; left:-9999px'>{}</p>",
    "<p style='position:fixed;top:-100em'>{}</p>",
    "<p style='text-indent:-9999px'>{}</p>",
    "<p style='position:absolute;clip:rect(0,0,0,0)'>{}</p>",
    "<p style='overflow:hidden;height:0'>{}</p>",
    "<p style='clip-path: inset(100%)'>{}</p>",
    "<style>.x { display: none }</style><p class='a x'>{}</p>",
    "<style>p#x{visibility:hidden}</style><p id=x>{}</p>",
    "<style>/* .y{} */ a, .x{color:#ffffff}</style><p class=x>{}</p>",
    "<style>.x{background:navy}</style><div class=x><p style='color:#000080'>{}</p></div>",
    "<div style='display:none'><div><p>{}</div></div>",
    "<ul><li style='display:none'>{}</li></ul>",
    "<h1 style='display:none'>{}</h1>",
]

SEEN = [
    "<p style='color:white;background:black'>{}</p>",
    "<table bgcolor='#000000'><tr><td><font color=white>{}</font><td>b<tr><td>c<td>d</table>",
    "<div style='background:url(x.png)'><p style='color:#fff'>{}</p></div>",
    "<ul style='font-size:0'><li style='font-size:14px'>{}</ul>",
    "<div style='visibility:hidden'><p style='visibility:visible'>{}</p></div>",
    "<p style='font-size:0.9em'>{}</p>",
    "<p style='font-size:80%'>{}</p>",
    "<p style='color:#eee'>{}</p>",
    "<p style='opacity:0.5'>{}</p>",
    "<p style='margin-left:-20px'>{}</p>",
    "<p style='overflow:hidden;height:20px'>{}</p>",
    "<style>@media print {{ .x {{ display: none }} }}</style><p class=x>{}</p>",
    "<style>.x{{display:none}} .x.open{{display:block}}</style><p class='x open'>{}</p>",
    "<style>.x{{display:none}}</style><p class=x style='display:block'>{}</p>",
    "<style>#x{{display:block}} .x{{display:none}}</style><p class=x id=x>{}</p>",
    "<style>body{{opacity:0}}</style><p>{}</p>",
    "<style>.top .x{{background:#000}}</style><p class=x style='color:#fff'>{}</p>",
    "<link rel=stylesheet href=a.css><div class=hero><p style='color:#fff'>{}</p></div>",
    "<style media=print>.x{{display:none}}</style><p class=x>{}</p>",
]  # fmt: skip


def page(markup: str) -> str:
    return f"<html><body><p>Before.</p>{markup.replace('{}', SECRET)}<p>After.</p></body></html>"


@pytest.mark.parametrize("markup", HIDDEN)
def test_is_hidden(tmp_path: Path, markup: str) -> None:
    document = read(tmp_path, "a.html", page(markup))
    assert SECRET not in document.text
    assert SECRET not in document.title
    assert document.hidden == (SECRET,)
    assert document.text.startswith("Before.")
    assert document.text.endswith("After.")


@pytest.mark.parametrize("markup", SEEN)
def test_is_seen(tmp_path: Path, markup: str) -> None:
    markup = markup.replace("{{", "{").replace("}}", "}")
    document = read(tmp_path, "a.html", page(markup))
    assert SECRET in document.text
    assert document.hidden == ()


@pytest.mark.parametrize(
    "markup",
    [
        "<!-- {} -->",
        "<script>'{}'</script>",
        "<template>{}</template>",
        "<i aria-hidden=true>{}</i>",
    ],
)
def test_what_is_no_text_at_all_is_neither(tmp_path: Path, markup: str) -> None:
    document = read(tmp_path, "a.html", page(markup))
    assert document.text == "Before.\n\nAfter."
    assert document.hidden == ()


def test_a_thousand_rules_are_found_by_name(tmp_path: Path) -> None:
    rules = "".join(f".c{number}{{display:none}}" for number in range(5_000))
    body = "".join(f"<p class=d{number}>Seen {number}.</p>" for number in range(5_000))
    document = read(tmp_path, "a.html", f"<style>{rules}</style>{body}")
    assert len(document.blocks) == 5_000
