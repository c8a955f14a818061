from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.chunking.sections import split
from retrieval.parsing.code import _parsed
from retrieval.types import Document
from tests.retrieval.parsing.made import blocks, read

PYTHON = '''\
#!/usr/bin/env python
"""Prices of things.

They change."""

import os

LIMIT = 3


# What a thing costs.
@cached
def price_of(thing):
    """The price."""
    return LIMIT


class Shop(Base):
    """Sells."""

    name: str

    @property
    def short(self):
        return self.name

    async def sellAll(self, things):
        # One after the other.
        for thing in things:
            await thing
        return None

    late = 1


main()
'''


def paths(document: Document) -> list[str]:
    """The symbols, each with what it stands in."""
    above: list[str] = []
    found = []
    for block in document.blocks:
        if block.kind == "heading":
            above[block.level - 1 :] = [document.text[block.start : block.end]]
            found.append(" › ".join(above))
    return found


def code(document: Document) -> list[str]:
    return [text for kind, text in blocks(document) if kind == "code"]


def test_the_module_comes_first_and_then_each_symbol(tmp_path: Path) -> None:
    document = read(tmp_path, "price_list.py", PYTHON)
    assert document.title == "price list"
    assert document.meta["syntax"] == "python"
    assert blocks(document) == [
        ("paragraph", "Prices of things."),
        ("paragraph", "They change."),
        ("code", "import os"),
        ("code", "LIMIT = 3"),
        ("code", "main()"),
        ("heading", "price_of"),
        (
            "code",
            "# What a thing costs.\n@cached\ndef price_of(thing):\n"
            '    """The price."""\n    return LIMIT',
        ),
        ("heading", "Shop"),
        (
            "code",
            'class Shop(Base):\n    """Sells."""\n\n    name: str\n\n    @property\n'
            "    def short(self):\n        return self.name\n    late = 1",
        ),
        ("heading", "sellAll"),
        (
            "code",
            "async def sellAll(self, things):\n    # One after the other.\n"
            "    for thing in things:\n        await thing\n    return None",
        ),
    ]
    assert paths(document) == ["price_of", "Shop", "Shop › sellAll"]


def test_a_passage_carries_the_names_of_what_it_stands_in(tmp_path: Path) -> None:
    document = read(tmp_path, "prices.py", PYTHON)
    last = split(document, lambda text: len(text.split()), 100)[-1]
    assert last.embedded.startswith("prices › Shop › sellAll\nasync def sellAll")


SYMBOLS = [
    (
        "a.js",
        "import x from 'x'\n/** Adds. */\nexport function add(a, b) {\n  return a + b\n}\n"
        "export const later = async () => {\n  await 1\n}\nmodule.exports.old = function () {\n"
        "  return 1\n}\nclass Cart extends Base {\n  items = []\n  total() {\n    let t = 0\n"
        "    for (const i of this.items) t += i\n    return t\n  }\n}\n",
        ["add", "later", "module.exports.old", "Cart", "Cart › total"],
    ),
    (
        "a.ts",
        "export interface Item {\n  price: number\n}\nnamespace N {\n  export type T =\n    | 1\n"
        "}\n@Injectable()\nexport abstract class Cart {\n  @Input() x: number\n\n"
        "  // Sums up.\n  total(): number {\n    let t = 0\n    return t\n  }\n}\n",
        ["Item", "T", "Cart", "Cart › total"],
    ),
    (
        "a.tsx",
        "export const Button = (p: Props) => {\n  return <b>{p.text}</b>\n}\n",
        ["Button"],
    ),
    (
        "a.go",
        "// Package a sells.\npackage a\n\nimport \"fmt\"\n\n// Cart holds.\ntype Cart struct {\n"
        "\tItems []int\n}\n\n// Total sums.\nfunc (c *Cart) Total() int {\n\treturn 1\n}\n\n"
        "func New[T any]() *Cart {\n\treturn nil\n}\n",
        ["Cart", "Cart.Total", "New"],
    ),
    (
        "a.java",
        "package a;\nimport b;\n/** Holds. */\n@X\npublic class Cart {\n  int n;\n  int getN() {"
        " return n; }\n  /** Makes. */\n  Cart(int n) {\n    this.n = n;\n  }\n  enum Kind {\n"
        "    A, B;\n    void f() {\n      x();\n      y();\n    }\n  }\n}\n",
        ["Cart", "Cart › Cart", "Cart › Kind", "Cart › Kind › f"],
    ),
    (
        "a.rs",
        "//! A crate.\nuse x;\n/// Holds.\n#[derive(Debug)]\npub struct Cart {\n    n: u8,\n}\n"
        "impl<T> Total for Cart<T> {\n    /// Sums.\n    fn total(&self) -> u8 {\n"
        "        self.n\n    }\n}\nfn main() {\n    x()\n}\n",
        ["Cart", "Total for Cart<T>", "Total for Cart<T> › total", "main"],
    ),
    (
        "a.c",
        "/* Sells. */\n#include <x.h>\n\ntypedef struct {\n  int n;\n} cart;\n\n"
        "static int *total(cart *c)\n{\n  return 0;\n}\n#define MAX(a, b) \\\n  ((a) > (b))\n",
        ["cart", "total", "MAX"],
    ),
    (
        "a.h",
        "#ifndef A_H\n#define A_H\nstruct cart {\n  int n;\n};\nint total(int n);\n#endif\n",
        ["cart"],
    ),
    (
        "b.h",
        "#pragma once\nnamespace a {\nclass Cart {\n public:\n  int total() const {\n    int t;\n"
        "    return t;\n  }\n};\n}\n",
        ["Cart", "Cart › total"],
    ),
    (
        "a.cpp",
        "namespace a {\ntemplate <class T>\nclass Cart : Base {\n  T n;\n};\n"
        "int Cart::total(int a) {\n  return a;\n}\nextern \"C\" {\nint one()\n{ x(); }\n}\n}\n",
        ["Cart", "Cart::total", "one"],
    ),
    (
        "a.cs",
        "using X;\nnamespace A.B {\n  /// <summary>Holds.</summary>\n  public class Cart {\n"
        "    public int N { get; set; }\n    [Test]\n    public int Total() {\n"
        "      return N;\n    }\n  }\n}\n",
        ["Cart", "Cart › Total"],
    ),
    (
        "a.rb",
        "require 'x'\nmodule Shop\n  class Cart < Base\n    # Sums up.\n    def total\n"
        "      1\n    end\n\n    def self.make(n)\n      x\n      new\n    end\n  end\nend\n",
        ["Shop", "Shop › Cart", "Shop › Cart › total", "Shop › Cart › make"],
    ),
    (
        "a.php",
        "<?php\nnamespace A;\n/** Holds. */\nclass Cart {\n  private $n;\n"
        "  public function total() {\n    $t = 1;\n    return $t;\n  }\n}\n"
        "function one() {\n  return 1;\n}\n",
        ["Cart", "Cart › total", "one"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source", "expected"), SYMBOLS, ids=[s[0] for s in SYMBOLS])
def test_symbols_of_every_language(
    tmp_path: Path, name: str, source: str, expected: list[str]
) -> None:
    document = read(tmp_path, name, source)
    assert paths(document) == expected
    written = "".join(document.text.split())
    for word in source.replace("/", " ").replace("*", " ").replace("#", " ").split():
        if word.isalnum():
            assert word in written


@pytest.mark.parametrize(
    ("name", "source", "doc"),
    [
        ("a.js", SYMBOLS[0][1], "/** Adds. */\nexport function add"),
        ("a.ts", SYMBOLS[1][1], "// Sums up.\ntotal(): number"),
        ("a.go", SYMBOLS[3][1], "// Total sums.\nfunc (c *Cart) Total"),
        ("a.rs", SYMBOLS[5][1], "/// Holds.\n#[derive(Debug)]\npub struct Cart"),
        ("a.rs", SYMBOLS[5][1], "/// Sums.\nfn total"),
        ("a.rb", SYMBOLS[11][1], "# Sums up.\ndef total"),
        ("a.cs", SYMBOLS[10][1], "/// <summary>Holds.</summary>\npublic class Cart"),
    ],
)
def test_what_is_said_of_a_symbol_stays_with_it(
    tmp_path: Path, name: str, source: str, doc: str
) -> None:
    assert any(block.startswith(doc) for block in code(read(tmp_path, name, source)))


def test_a_comment_behind_code_speaks_of_that_code(tmp_path: Path) -> None:
    source = "int a; // the first\nvoid f()\n{\n}\n"
    assert code(read(tmp_path, "a.c", source)) == ["int a; // the first", "void f()\n{\n}"]


def test_what_a_module_says_of_itself_is_prose(tmp_path: Path) -> None:
    source = "/*!\n * Sells things.\n *\n * Slowly.\n */\n\n// More.\n\nfunction f() {\n}\n"
    kinds = blocks(read(tmp_path, "a.js", source))
    assert kinds[:3] == [
        ("paragraph", "Sells things."),
        ("paragraph", "Slowly."),
        ("paragraph", "More."),
    ]


def test_what_is_no_code_of_its_language_is_kept_as_it_stands(tmp_path: Path) -> None:
    broken = "def (((:\n  ][ what\n\n}}} 1 2 3 else else\n\nand so on\n"
    document = read(tmp_path, "a.py", broken)
    assert paths(document) == []
    assert "".join(document.text.split()) == "".join(broken.replace("}}} ", "}}} ").split())


def test_a_broken_part_does_not_hide_the_symbols_beside_it(tmp_path: Path) -> None:
    source = "def one():\n    return 1\n\nclass ((\n\ndef two():\n    return 2\n"
    document = read(tmp_path, "a.py", source)
    assert "one" in paths(document)
    assert "return 2" in document.text


def test_languages_without_a_grammar_are_code_by_runs(tmp_path: Path) -> None:
    source = "set -e\n\nbuild() {\n  make\n\n  make install\n}\n\nbuild\n"
    document = read(tmp_path, "build.sh", source)
    assert code(document) == ["set -e", "build() {\n  make\n\n  make install\n}", "build"]
    assert document.meta["syntax"] == "shell"


def test_one_symbol_does_not_name_the_document(tmp_path: Path) -> None:
    document = read(tmp_path, "shop.py", "class Cart:\n    def total(self): ...\n")
    assert document.title == "shop"


def test_nesting_beyond_any_reader_is_kept_as_text(tmp_path: Path) -> None:
    deep = "".join(f"{' ' * level}class C{level}:\n" for level in range(300)) + " " * 300 + "x = 1"
    document = read(tmp_path, "deep.py", deep)
    assert "class C299:" in document.text
    assert max(block.level for block in document.blocks) <= 41


def test_a_grammar_that_is_lost_is_not_waited_for() -> None:
    """A parser that repairs looks back at each error: a minute for a megabyte, if it were let."""
    source = (
        b"namespace  class AskB\n    f(int X) { void Go() k } ]\n" + b"oid Go() k } ]\n" * 9_000
    )
    assert _parsed(source, ["csharp"], seconds=0.01) is None
