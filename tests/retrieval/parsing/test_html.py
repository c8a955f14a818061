from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from tests.effort import cpu_seconds
from tests.retrieval.parsing.made import blocks, read

PAGE = """<!doctype html><html><head><title>Stores - Example</title><style>p{}</style></head>
<body>
<a href="#main">Skip to content</a>
<header><a href="/">Home</a></header><nav><ul><li>Menu</li></ul></nav>
<main id="main"><article><header><h1>Our   Stores</h1><p>May 2025</p></header>
<p>We have <b>seven</b> stores&nbsp;in&#8239;five
countries.<br>Come in.</p>
<div>Loose text <p>and a paragraph</p> and more</div>
<h2>Hours<a class="headerlink" href="#h">¶</a></h2>
<table><caption>Summer</caption>
<thead><tr><th>Store</th><th colspan="2">Weekend</th></tr>
<tr><th></th><th>Saturday</th><th>Sunday</th></tr></thead>
<tr><td rowspan=2>Antwerp</td><td>10 to 18</td><td>closed</td></tr>
<tr><td>by appointment</td><td></td></tr></table>
<table><tr><th>Phone</th><td>+31 1</td></tr><tr><th>Mail:</th><td>a@b.example</td></tr></table>
<ol start="3"><li>Go in</li><li><p>Ask</p><ul><li>nicely</li></ul></li></ol>
<pre>a  b
 c</pre>
<script>alert(1)</script><p style="display: none">secret</p><p hidden>secret</p>
<span aria-hidden="true">*</span><template><p>secret</p></template>
<p>Line <svg><text>secret</text></svg>end</p>
</article></main>
<aside>Advert</aside><footer>Imprint</footer></body></html>"""


def test_what_a_reader_reads_in_order(tmp_path: Path) -> None:
    document = read(tmp_path, "stores.html", PAGE)
    assert document.title == "Our Stores"
    assert blocks(document) == [
        ("heading", "Our Stores"),
        ("paragraph", "May 2025"),
        ("paragraph", "We have seven stores in five countries.\nCome in."),
        ("paragraph", "Loose text"),
        ("paragraph", "and a paragraph"),
        ("paragraph", "and more"),
        ("heading", "Hours"),
        ("table", "Summer"),
        ("table", "Store: Antwerp; Weekend Saturday: 10 to 18; Weekend Sunday: closed"),
        ("table", "Store: Antwerp; Weekend Saturday: by appointment"),
        ("table", "Phone: +31 1"),
        ("table", "Mail: a@b.example"),
        ("list", "3. Go in"),
        ("list", "4. Ask"),
        ("list", "  - nicely"),
        ("code", "a  b\n c"),
        ("paragraph", "Line end"),
    ]


def test_a_page_that_is_all_header_is_read_whole(tmp_path: Path) -> None:
    document = read(tmp_path, "a.html", "<title>T</title><body><header><p>Only this</header>")
    assert (document.title, document.text) == ("T", "Only this")


def test_a_table_that_lays_out_the_page_is_its_content(tmp_path: Path) -> None:
    page = "<table><tr><td>Menu</td><td><h1>Title</h1><p>Text</p></td></tr></table>"
    assert blocks(read(tmp_path, "a.html", page)) == [
        ("paragraph", "Menu"),
        ("heading", "Title"),
        ("paragraph", "Text"),
    ]


def test_the_declared_encoding_is_used(tmp_path: Path) -> None:
    page = '<meta charset="windows-1251"><p>Привет, мир</p>'.encode("cp1251")
    assert read(tmp_path, "a.html", page).text == "Привет, мир"


PATHOLOGICAL = {
    "deep": "<div>" * 12_000 + "x",
    "deep lists": "<ul><li>" * 5_000 + "x",
    "deep tables": "<table><tr><td>" * 3_000 + "x",
    "open formats": "".join(f"<font size={i}>x" for i in range(900)),
    "flat": "<p>text</p>" * 100_000,
    "inline": "<b> </b>" * 100_000 + "x",
    "attributes": "<p " + " ".join(f"a{i}" for i in range(4_000)) + ">x",
    "spans": "<table><tr><td>a</td><td>b</td></tr>" + "<td colspan=100 rowspan=1000>x" * 9_999,
    "comment": "x<!--" * 200_000,
    "text": "x " * 2_000_000,
}


@pytest.mark.parametrize("kind", PATHOLOGICAL)
def test_no_page_keeps_it_busy(tmp_path: Path, kind: str) -> None:
    assert cpu_seconds(lambda: read(tmp_path, "a.html", PATHOLOGICAL[kind]), times=1) < 30


EXPLOSIVE = {
    "deep": "<div>" * 1_000_000,
    "deep with closing tags of others": "<div></b>" * 100_000,
    "open formats": "".join(f"<p><font a={i}>x" for i in range(5_000)),
    "attributes": "<p " + " ".join(f"a{i}" for i in range(100_000)) + ">x",
}


@pytest.mark.parametrize("kind", EXPLOSIVE)
def test_refuses_what_would_keep_any_parser_busy(tmp_path: Path, kind: str) -> None:
    def refused() -> None:
        with pytest.raises(Unreadable, match=r"too deep|thousands of attributes"):
            read(tmp_path, "a.html", EXPLOSIVE[kind])

    assert cpu_seconds(refused, times=1) < 30


def test_deep_but_readable_text_is_found(tmp_path: Path) -> None:
    assert read(tmp_path, "a.html", "<div>" * 5_000 + "found").text == "found"
