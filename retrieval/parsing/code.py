"""Source code to blocks by symbol: each function and class stands under a heading that names it.

First comes what belongs to no symbol (what the module says of itself, imports, constants), then
the symbols in their order, each with the comments and decorators in front of it. A member of a few
lines stays in the body of its class, where it means something. It knows the shape of a language's
definitions, nothing of what they mean; what its grammar does not understand, and the text of every
language that has none here, is kept as plain code.
"""

from __future__ import annotations

import importlib
import re
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser

_MOST_BYTES = 4_000_000  # beyond that it was written by a program, and symbols help no one
_SECONDS = 3.0  # of the processor; a megabyte of a language's own takes a quarter of one
_CHUNK = 1 << 16
_DEEPEST = 40  # holders and open nodes within each other
_SHORT_MEMBER = 3  # lines, up to which a member stays in its class
_LONGEST_NAME = 120


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Which nodes of a language define something; all names are the grammar's own."""

    package: str
    symbols: frozenset[str]
    holders: frozenset[str] = frozenset()
    """Definitions whose members are symbols too."""
    open: frozenset[str] = frozenset()
    """What only surrounds definitions: their place is where it stands."""
    entry: str = "language"


_FRONT = _set("comment line_comment block_comment attribute_item decorator")
"""What belongs to the definition behind it."""
_WRAPPERS = _set(
    """decorated_definition export_statement ambient_declaration template_declaration
    lexical_declaration variable_declaration variable_declarator expression_statement
    assignment_expression global_statement"""
)
"""What may hold one definition, and is part of it."""
_FUNCTIONS = _set("arrow_function function_expression generator_function")
_IDENTIFIERS = _set(
    """identifier field_identifier type_identifier qualified_identifier operator_name
    destructor_name template_function"""
)

_SCRIPT = _set(
    """function_declaration generator_function_declaration function_signature method_definition
    type_alias_declaration enum_declaration field_definition public_field_definition"""
)
_SCRIPT_HOLDERS = _set("class_declaration abstract_class_declaration class interface_declaration")
_SCRIPT_OPEN = _set("internal_module module")
_C = _set(
    """function_definition struct_specifier union_specifier enum_specifier type_definition
    preproc_function_def"""
)
_C_OPEN = _set(
    """preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification declaration_list"""
)
_GRAMMARS = {
    "python": _Grammar(
        "tree_sitter_python", _set("function_definition"), _set("class_definition")
    ),
    "javascript": _Grammar("tree_sitter_javascript", _SCRIPT, _SCRIPT_HOLDERS),
    "typescript": _Grammar(
        "tree_sitter_typescript", _SCRIPT, _SCRIPT_HOLDERS, _SCRIPT_OPEN, "language_typescript"
    ),
    "tsx": _Grammar(
        "tree_sitter_typescript", _SCRIPT, _SCRIPT_HOLDERS, _SCRIPT_OPEN, "language_tsx"
    ),
    "go": _Grammar(
        "tree_sitter_go", _set("function_declaration method_declaration type_declaration")
    ),
    "java": _Grammar(
        "tree_sitter_java",
        _set("method_declaration constructor_declaration compact_constructor_declaration"),
        _set(
            """class_declaration interface_declaration enum_declaration record_declaration
            annotation_type_declaration"""
        ),
        _set("enum_body_declarations"),
    ),
    "rust": _Grammar(
        "tree_sitter_rust",
        _set("function_item struct_item enum_item union_item macro_definition"),
        _set("impl_item trait_item mod_item"),
    ),
    "c": _Grammar("tree_sitter_c", _C, open=_C_OPEN),
    "cpp": _Grammar(
        "tree_sitter_cpp",
        _C - {"struct_specifier"} | {"concept_definition"},
        _set("class_specifier struct_specifier"),
        _C_OPEN | {"namespace_definition"},
    ),
    "csharp": _Grammar(
        "tree_sitter_c_sharp",
        _set(
            """method_declaration constructor_declaration destructor_declaration enum_declaration
            property_declaration indexer_declaration operator_declaration delegate_declaration
            conversion_operator_declaration local_function_statement"""
        ),
        _set("class_declaration struct_declaration interface_declaration record_declaration"),
        _set("namespace_declaration preproc_if preproc_else preproc_elif"),
    ),
    "ruby": _Grammar(
        "tree_sitter_ruby", _set("method singleton_method"), _set("class module"),
        _set("singleton_class"),
    ),
    "php": _Grammar(
        "tree_sitter_php",
        _set("function_definition method_declaration"),
        _set("class_declaration interface_declaration trait_declaration enum_declaration"),
        _set("namespace_definition"),
        "language_php",
    ),
}  # fmt: skip

_FIRST = frozenset({"php_tag", *_FRONT})
_MARKER = re.compile(r"^[ \t]*(?:/\*+!?|\*+/|\*(?!\S*\*)|//[/!]*|#+!?|--+|\"\"\"|''')[ \t]?", re.M)
_MARKER_END = re.compile(r"[ \t]*(?:\*+/|\"\"\"|''')[ \t]*$", re.M)
_TOOLING = re.compile(r"^(?:/.*|.*-\*-.*|.*coding[:=].*|<\?php)$", re.M)  # shebang, editors' modes


def read(data: bytes, *languages: str) -> Draft:
    """The blocks of a file in one of these languages: the first that understands all of it."""
    text = decoded(data)
    draft = Draft()
    draft.by_name = True
    draft.meta["syntax"] = languages[0]
    source = text.removeprefix("\ufeff").encode("utf-8", "replace")
    candidates = [name for name in languages if name in _GRAMMARS]
    if not candidates or len(source) > _MOST_BYTES:
        _plain(draft, text)
        return draft
    found = _parsed(source, candidates)
    if found is None:
        _plain(draft, text)
        return draft
    root, language = found
    draft.meta["syntax"] = "typescript" if language == "tsx" else language
    _Reader(draft, source, _GRAMMARS[language]).module(root)
    return draft


def _parsed(
    source: bytes, languages: Sequence[str], seconds: float = _SECONDS
) -> tuple[Node, str] | None:
    """The tree and its language; None where the grammar is lost in what is none of its language."""
    found = None
    end = 0.0

    def late(at: int, broken: bool) -> bool:
        return time.thread_time() > end

    for language in languages:
        end = time.thread_time() + seconds
        try:
            tree = _parser(language).parse(
                lambda at, _: source[at : at + _CHUNK],
                progress_callback=late,
            )
        except ValueError:  # it was stopped
            continue
        found = tree.root_node, language
        if not tree.root_node.has_error:
            break
    return found


def _parser(language: str) -> Parser:
    """A parser of its own for each file: they keep the file that they are reading in themselves."""
    from tree_sitter import Parser

    return Parser(_language(language))


@cache
def _language(name: str) -> Language:
    from tree_sitter import Language

    grammar = _GRAMMARS[name]
    return Language(getattr(importlib.import_module(grammar.package), grammar.entry)())


@dataclass(slots=True)
class _Symbol:
    """A definition, and the stretch of bytes that it takes with all that belongs to it."""

    name: str
    start: int
    end: int
    node: Node
    members: list[_Symbol] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The way through one file."""

    draft: Draft
    source: bytes
    grammar: _Grammar

    def module(self, root: Node) -> None:
        symbols = [s for s in self.symbols(root, 0) if self.lines(s.start, s.end) > 1]
        begin = self.preface(root, symbols[0].start if symbols else len(self.source))
        for start, end in _gaps(begin, len(self.source), symbols):
            _plain(self.draft, self.text(start, end))
        for symbol in symbols:
            self.write(symbol, 1)

    def preface(self, root: Node, before: int) -> int:
        """Write what the module says of itself as prose; where the rest begins."""
        at = 0
        for node in root.children:
            said = node.type in _FIRST or (
                node.type == "expression_statement"
                and node.named_child_count == 1
                and node.named_children[0].type == "string"
            )
            if not said or node.end_byte > before:
                break
            at = node.end_byte
        for paragraph in _prose(self.source[:at].decode("utf-8", "replace")):
            self.draft.add("paragraph", paragraph)
        return at

    def symbols(self, parent: Node, depth: int) -> list[_Symbol]:
        """What is defined in a node, in order."""
        found: list[_Symbol] = []
        front: int | None = None  # where the comments begin that stand directly above
        row = -1  # the last of what came before
        for node in self.flat(parent, depth):
            first, last = node.start_point.row, self.last(node)
            adjacent = first <= row + 1
            if node.type in _FRONT:
                if first > row or row < 0:  # behind code on the same line it speaks of that
                    front = node.start_byte if front is None or not adjacent else front
            elif (inner := self.defined(node)) is not None:
                start = front if front is not None and adjacent else node.start_byte
                found.append(self.symbol(node, inner, start, depth))
                front = None
            else:
                front = None
            row = last
        return found

    def symbol(self, node: Node, inner: Node, start: int, depth: int) -> _Symbol:
        start = self.source.rfind(b"\n", 0, start) + 1 if self.opens_line(start) else start
        members: list[_Symbol] = []
        if inner.type in self.grammar.holders and depth < _DEEPEST:
            members = [
                member
                for member in self.symbols(inner, depth + 1)
                if self.lines(member.start, member.end) > _SHORT_MEMBER
            ]
        return _Symbol(self.name(node, inner), start, node.end_byte, inner, members)

    def flat(self, parent: Node, depth: int) -> Iterator[Node]:
        """Children, and in their place those of bodies and of what only surrounds."""
        body = parent.child_by_field_name("body")
        for child in parent.children:
            surrounds = child.type in self.grammar.open or child.is_error or child == body
            inner = child.named_children
            if child.type == "expression_statement" and inner:  # TypeScript's namespaces
                child = inner[0] if inner[0].type in self.grammar.open else child
                surrounds = surrounds or child.type in self.grammar.open
            if surrounds and depth < _DEEPEST:
                yield from self.flat(child, depth + 1)
            elif child.is_named:
                yield child

    def defined(self, node: Node) -> Node | None:
        """The definition that a node is or wraps."""
        for _ in range(6):
            if node.type in self.grammar.symbols or node.type in self.grammar.holders:
                return node if self.whole(node) else None
            if node.type not in _WRAPPERS:
                return None
            inner = next(filter(self.leads, reversed(node.named_children)), None)
            if inner is None:
                return None
            if inner.type in _FUNCTIONS:
                return node
            node = inner
        return None

    def leads(self, node: Node) -> bool:
        kinds = self.grammar.symbols, self.grammar.holders, _WRAPPERS, _FUNCTIONS
        return any(node.type in kind for kind in kinds)

    def whole(self, node: Node) -> bool:
        """Whether it defines and does not merely mention: `struct a b;`, a field of a number."""
        if node.type.endswith("_specifier"):
            return node.child_by_field_name("body") is not None
        if node.type in ("field_definition", "public_field_definition"):
            value = node.child_by_field_name("value")
            return value is not None and value.type in _FUNCTIONS
        return True

    def name(self, node: Node, inner: Node) -> str:
        named = _named(inner) or _named(node)
        text = self.text(named.start_byte, named.end_byte) if named else inner.type
        if trait := inner.child_by_field_name("trait"):
            text = f"{self.text(trait.start_byte, trait.end_byte)} for {text}"
        elif receiver := inner.child_by_field_name("receiver"):
            owner = re.search(
                r"(\w+)\s*(?:\[.*)?\)$", self.text(receiver.start_byte, receiver.end_byte)
            )
            text = f"{owner.group(1)}.{text}" if owner else text
        return " ".join(text.split())[:_LONGEST_NAME]

    def write(self, symbol: _Symbol, level: int) -> None:
        self.draft.add("heading", symbol.name, level)
        gaps = list(_gaps(symbol.start, symbol.end, symbol.members))
        own = "\n".join(piece.strip("\n") for piece in (self.text(*gap) for gap in gaps))
        self.draft.add("code", textwrap.dedent(own))
        for member in symbol.members:
            self.write(member, level + 1)

    def text(self, start: int, end: int) -> str:
        return self.source[start:end].decode("utf-8", "replace")

    def lines(self, start: int, end: int) -> int:
        return self.source[start:end].strip().count(b"\n") + 1

    def opens_line(self, start: int) -> bool:
        return not self.source[self.source.rfind(b"\n", 0, start) + 1 : start].strip()

    def last(self, node: Node) -> int:
        """The row that a node ends in; some comments take their line end with them."""
        end = node.end_point
        return end.row - 1 if end.column == 0 and end.row > node.start_point.row else end.row


def _named(node: Node) -> Node | None:
    """What a definition is called by, in any of the grammars."""
    for name in ("name", "property", "left", "type"):
        found = node.child_by_field_name(name)
        if found is not None and (name != "type" or node.type == "impl_item"):
            return found
    found = node.child_by_field_name("declarator")
    while found is not None and found.type not in _IDENTIFIERS:
        found = found.child_by_field_name("declarator") or next(iter(found.named_children), None)
    if found is None:  # a declaration of several: what the first is called
        inner = (child for child in node.named_children if child.type not in _FRONT)
        return next(filter(None, (child.child_by_field_name("name") for child in inner)), None)
    return found


def _gaps(start: int, end: int, symbols: Sequence[_Symbol]) -> Iterator[tuple[int, int]]:
    """What of a stretch belongs to none of the symbols."""
    for symbol in symbols:
        if start < symbol.start:
            yield start, symbol.start
        start = max(start, symbol.end)
    if start < end:
        yield start, end


def _plain(draft: Draft, text: str) -> None:
    """Code by its runs: a blank line ends one where the next line begins at the margin."""
    run: list[str] = []
    blank = False
    for line in text.split("\n"):
        if run and blank and line.strip() and not line[0].isspace():
            _run(draft, run)
            run = []
        blank = not line.strip()
        run.append(line.rstrip())
    _run(draft, run)


def _run(draft: Draft, lines: list[str]) -> None:
    text = "\n".join(lines)
    if any(c.isalnum() for c in text):  # closing brackets that a symbol left behind say nothing
        draft.add("code", text)


def _prose(text: str) -> Iterator[str]:
    """Comments as paragraphs, without the marks that make them comments."""
    bare = _TOOLING.sub("", _MARKER_END.sub("", _MARKER.sub("", text)))
    for paragraph in re.split(r"\n[ \t]*\n", bare):
        if lines := [line.strip() for line in paragraph.split("\n") if line.strip()]:
            yield "\n".join(lines)
