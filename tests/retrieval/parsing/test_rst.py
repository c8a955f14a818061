from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.rst import _parsed
from tests.retrieval.parsing.made import blocks, read

HANDBOOK = """\
:author: Ann
:title: The handbook

Handbook
========

See :ref:`the pages <label>`, ``code``, :py:func:`~shop.price_of`, |sub|,
`a link <http://example.com>`_ and *more* [1]_.

.. |sub| replace:: something replaced

Lists
-----

- one
- two

  and more

  3. nested

term
    Its meaning.

-f FILE, --file=FILE  Read it.

.. [1] A footnote.

.. A comment.
"""


def kinds(tmp_path: Path, source: str) -> list[tuple[str, str]]:
    return blocks(read(tmp_path, "a.rst", source))


def test_headings_lists_and_inline_markup(tmp_path: Path) -> None:
    document = read(tmp_path, "a.rst", HANDBOOK)
    assert document.title == "The handbook"
    assert document.meta["author"] == "Ann"
    assert blocks(document) == [
        ("heading", "Handbook"),
        (
            "paragraph",
            "See the pages, code, price_of, something replaced, a link and more [1].",
        ),
        ("heading", "Lists"),
        ("list", "- one"),
        ("list", "- two"),
        ("list", "  and more"),
        ("list", "  3. nested"),
        ("list", "- term: Its meaning."),
        ("list", "- -f FILE, --file=FILE: Read it."),
        ("list", "- [1] A footnote."),
    ]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2]


def test_the_only_top_heading_is_the_title(tmp_path: Path) -> None:
    assert read(tmp_path, "a.rst", "Prices\n======\n\nText.\n").title == "Prices"


def test_tables_are_rows_that_stand_alone(tmp_path: Path) -> None:
    grid = "+------+-----+\n| Name | EUR |\n+======+=====+\n| Tea  | 2   |\n+------+-----+\n"
    listed = '.. csv-table:: Prices\n   :header: "Name", "EUR"\n\n   Milk, 3\n'
    assert kinds(tmp_path, f"{grid}\n{listed}") == [
        ("table", "Name: Tea; EUR: 2"),
        ("paragraph", "Prices"),
        ("table", "Name: Milk; EUR: 3"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "Like this::\n\n   def f():\n       pass\n",
        ".. code-block:: python\n   :linenos:\n   :caption: F\n\n   def f():\n       pass\n",
        ".. sourcecode:: python\n\n   def f():\n       pass\n",
        ".. testcode::\n\n   def f():\n       pass\n",
    ],
)
def test_code_is_kept_as_it_stands(tmp_path: Path, source: str) -> None:
    assert kinds(tmp_path, source)[-1] == ("code", "def f():\n    pass")


def test_an_admonition_says_what_it_is(tmp_path: Path) -> None:
    assert kinds(tmp_path, ".. warning:: Hot.\n\n   Very.\n") == [
        ("paragraph", "Warning: Hot."),
        ("paragraph", "Very."),
    ]


def test_what_a_program_offers_is_a_section_of_its_own(tmp_path: Path) -> None:
    source = (
        "Shop\n====\n\n.. class:: Cart(items=None, \\\n              **more)\n\n"
        "   Holds.\n\n   .. method:: total()\n\n      Sums.\n\n"
        "      .. versionadded:: 1.2\n         With taxes.\n"
    )
    document = read(tmp_path, "a.rst", source)
    assert blocks(document) == [
        ("heading", "Shop"),
        ("heading", "Cart"),
        ("code", "Cart(items=None, **more)"),
        ("paragraph", "Holds."),
        ("heading", "total"),
        ("code", "total()"),
        ("paragraph", "Sums."),
        ("paragraph", "Added in version 1.2 With taxes."),
    ]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2, 3]


def test_text_behind_a_description_is_not_put_under_it(tmp_path: Path) -> None:
    source = ".. function:: f(x)\n\n   Does.\n\nAnd now something else.\n"
    assert kinds(tmp_path, source)[0] == ("paragraph", "f(x)")


def test_directives_of_others_keep_their_content(tmp_path: Path) -> None:
    source = ".. tabs::\n\n   .. tab:: Linux\n\n      Use *apt*.\n"
    assert kinds(tmp_path, source) == [("paragraph", "Linux"), ("paragraph", "Use apt.")]


def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret, words")
    secret = tmp_path / "secret.txt"
    source = "".join(
        [
            f".. include:: {secret}\n\n",
            f".. literalinclude:: {secret}\n\n",
            f".. csv-table::\n   :file: {secret}\n\n",
            f".. raw:: html\n   :file: {secret}\n\n",
            ".. raw:: html\n\n   <b>raw</b>\n\n",
            ".. toctree::\n   :maxdepth: 2\n\n   secret\n\n",
            "Text.\n",
        ]
    )
    assert kinds(tmp_path, source) == [("paragraph", "Text.")]


def test_a_role_that_one_file_defines_is_unknown_in_the_next(tmp_path: Path) -> None:
    defined = ".. role:: mark(literal)\n\n"
    used = ":mark:`a*b*`\n"
    assert kinds(tmp_path, defined + used) == [("paragraph", "a*b*")]
    assert _parsed(used).astext() != "a*b*"


@pytest.mark.parametrize("source", ["|a " * 30_000, "+---" * 30_000])
def test_markup_that_would_take_minutes_is_read_as_text(tmp_path: Path, source: str) -> None:
    assert kinds(tmp_path, source) == [("paragraph", source.strip())]


def test_nesting_beyond_any_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="too deep"):
        kinds(tmp_path, "".join("  " * depth + "- a\n\n" for depth in range(400)))
