"""reStructuredText to blocks, by docutils: sections, lists, tables, code, admonitions and notes.

Nothing outside the text is read: inclusion, raw output and docutils' own configuration files are
off. Directives and roles that docutils does not know (Sphinx's, mostly) are read by their form:
their content is kept, or dropped where it names other files. Comments and targets are dropped.
"""

from __future__ import annotations

import io
import re
import textwrap
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from docutils import frontend, nodes, utils
from docutils.frontend import Values
from docutils.parsers.rst import Parser, roles

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.tables import lines as table_lines

_MOST_CHARACTERS = 1_000_000  # docutils reads some hundred thousand a second
_MOST_WORK = 20_000_000  # of a paragraph: marks that may begin something, each sought to its end
_MOST_WORK_TOGETHER = 10 * _MOST_WORK
_MOST_BLOCK_LINES = 20_000_000  # lists and directives, each of which copies the lines behind it
_LONGEST_LINE = 100_000
_LONGEST_WORD = 2_000  # an address could begin at each of its characters
_DEEPEST = 8  # directives unknown to docutils within each other, each of which is parsed anew
_WIDEST_SPAN = 100

# docutils keeps the roles that a document defines in a table of the process.
_docutils = threading.Lock()
_roles: dict[str, object] = vars(roles)["_roles"]

_BLOCK = re.compile(r"^[ \t]*(?:\.\.|[-*+|:>]|\w{1,3}[.)])", re.MULTILINE)
_MARK = re.compile(r"[*`|_:]")
_DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|\n]*\|[ \t]+)?([\w:.+-]+?)[ \t]*::(?=\s|$)[ \t]*")
_CLASS = re.compile(r"^([ \t]*\.\.[ \t]+)(?=class::[ \t]+(?:[\w.]+\(|[\w.]*[A-Z]))", re.MULTILINE)
_OPTION = re.compile(r"[ \t]*:[^:\n]+:(?:[ \t].*)?$")
_ROLE = re.compile(r":[\w:.+-]+:`(.*?)`|`([^`]*)`:[\w:.+-]+:|`([^`]*)`", re.DOTALL)
_TARGET = re.compile(r"\s*<[^<>]*>$")
_ELSEWHERE = re.compile(
    r"include|literalinclude|raw|toctree|image.*|figure.*|highlight|currentmodule|py:currentmodule"
    r"|py:module|module|index|contents|auto.*|bibliography|meta|tabularcolumns|plot|graphviz"
)
"""Directives that name files or other places, or give orders to a program."""
_CODE = re.compile(
    r"(?:.*:)?(?:code.*|sourcecode|parsed-literal|prompt|math|testcode|testoutput|doctest|ipython|"
    r"console|productionlist|.*-code|mermaid|uml)"
)
_BARE = re.compile(r"only|ifconfig|container|rst-class|class|tabs|tab-set|grid|rubric|hlist")
"""Directives whose arguments are no text."""
_OBJECT = re.compile(
    r"(?:\w+:)?(?:\w*function|\w*method|class|exception|attribute|property|data|decorator|macro|"
    r"struct|enum|type|member|var|interface|trait|setting|confval|envvar|option|cmdoption)"
)
"""Directives that describe a thing, which their arguments name."""
_CHANGES = {
    "versionadded": "Added in version ",
    "versionchanged": "Changed in version ",
    "deprecated": "Deprecated since version ",
}

_SKIPPED = (
    nodes.comment, nodes.target, nodes.substitution_definition, nodes.raw, nodes.pending,
    nodes.image, nodes.transition, nodes.decoration, nodes.meta,
)  # fmt: skip
_APART = (nodes.section, nodes.system_message, *_SKIPPED)
_ENTRIES = (
    nodes.definition_list_item, nodes.field, nodes.option_list_item, nodes.footnote, nodes.citation,
)  # fmt: skip
_LITERAL = (nodes.literal_block, nodes.doctest_block, nodes.math_block)


def read(data: bytes) -> Draft:
    text = decoded(data)
    if _laborious(text):
        from retrieval.parsing.plain import read as plain

        return plain(data)
    draft = Draft()
    with _docutils:
        known = dict(_roles)
        try:
            _read(draft, text)
        except RecursionError as error:
            raise Unreadable("too deep: it is nested beyond any reader") from error
        finally:
            _roles.clear()
            _roles.update(known)
    return draft


def _laborious(text: str) -> bool:
    """Whether docutils would take minutes: it looks for the end of each mark anew."""
    if len(text) > _MOST_CHARACTERS or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        return True
    if max(map(len, text.split()), default=0) > _LONGEST_WORD:
        return True
    if len(_BLOCK.findall(text)) * text.count("\n") > _MOST_BLOCK_LINES:
        return True
    work = [len(part) * len(_MARK.findall(part)) for part in re.split(r"\n\s*\n|\n(?=[|+])", text)]
    return max(work) > _MOST_WORK or sum(work) > _MOST_WORK_TOGETHER


def _read(draft: Draft, text: str) -> None:
    document = _parsed(text)
    body = list(document.children)
    if body and isinstance(body[0], nodes.field_list):
        for name, value in _fields(body.pop(0)):
            if value:
                draft.meta[name.lower()] = value
        draft.title = str(draft.meta.pop("title", ""))
    _Walk(draft, document.substitution_defs).through(body)


def _parsed(text: str) -> nodes.document:
    document = utils.new_document("text", _settings())
    # Sphinx means a class of a program by what docutils takes for one of a style sheet.
    Parser().parse(_CLASS.sub(r"\1py:", text), document)
    return document


@cache
def _settings() -> Values:
    settings = frontend.get_default_settings(Parser)
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings._disable_config = True
    settings.report_level = settings.halt_level = 5
    settings.warning_stream = io.StringIO()
    settings.syntax_highlight = "none"
    settings.line_length_limit = _LONGEST_LINE
    return settings


def _fields(found: nodes.Node) -> Iterator[tuple[str, str]]:
    for entry in found.children:
        if isinstance(entry, nodes.field):
            name, body = entry.children[0], entry.children[1]
            yield " ".join(name.astext().split()), " ".join(body.astext().split())


@dataclass(slots=True)
class _Walk:
    """A walk over the tree that writes blocks."""

    draft: Draft
    substitutions: dict[str, nodes.substitution_definition]
    level: int = 1  # of the next section's title
    unknown: int = 0  # directives around this place that docutils does not know
    marker: list[str] = field(default_factory=list)  # of each open item, until it is written
    lead: str = ""  # what the next paragraph begins with

    def through(self, children: Sequence[nodes.Node]) -> None:
        said = [at for at, node in enumerate(children) if not isinstance(node, _APART)]
        for at, node in enumerate(children):
            self.node(node, last=not said or at > said[-1])

    def node(self, node: nodes.Node, last: bool = False) -> None:
        """Write a node; `last` says that no text of the same section follows."""
        if isinstance(node, nodes.section):
            self.draft.add("heading", self.text(node.children[0]), self.level)
            self.level += 1
            self.through(node.children[1:])
            self.level -= 1
        elif isinstance(node, _LITERAL):
            self.draft.add("code", node.astext())
        elif isinstance(node, nodes.table):
            self.table(node)
        elif isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            self.items(node)
        elif isinstance(node, _ENTRIES):
            self.entry(node)
        elif isinstance(node, nodes.system_message):
            self.directive(node, last and not self.marker)
        elif isinstance(node, nodes.line_block):
            self.add("\n".join(self.text(line) for line in node.findall(nodes.line)))
        elif isinstance(node, nodes.TextElement) and not isinstance(node, _SKIPPED):
            self.add(self.text(node))
        elif not isinstance(node, _SKIPPED):
            if isinstance(node, nodes.Admonition) and not isinstance(node, nodes.admonition):
                self.lead = f"{type(node).__name__.capitalize()}: "
            self.through(node.children)

    def add(self, text: str) -> None:
        """Write a paragraph, or the piece of an item that it is."""
        text, self.lead = self.lead + text.strip(), ""
        if self.marker:
            self.draft.add("list", self.marker[-1] + text)
            self.marker[-1] = " " * len(self.marker[-1])
        else:
            self.draft.add("paragraph", text)

    def items(self, node: nodes.Element) -> None:
        indent = "  " * min(len(self.marker), 8)
        numbered = isinstance(node, nodes.enumerated_list)
        first = int(node.get("start", 1))
        for number, item in enumerate(node.children, first):
            self.marker.append(f"{indent}{number}. " if numbered else f"{indent}- ")
            self.through(item.children)
            self.marker.pop()

    def entry(self, node: nodes.Element) -> None:
        """A term and its definition, an option and what it does, a note and its label."""
        *names, body = node.children
        if isinstance(node, nodes.footnote | nodes.citation):
            names, body = node.children[:1], nodes.compound("", *node.children[1:])
        name = ", ".join(filter(None, (self.text(each) for each in names)))
        if isinstance(body, nodes.term):  # nothing is said of it
            name, body = self.text(body), nodes.compound()
        bracketed = f"[{name}] " if isinstance(node, nodes.footnote | nodes.citation) else ""
        self.marker.append("  " * min(len(self.marker), 8) + "- ")
        self.lead = bracketed or f"{name}: "
        self.through(body.children)
        if self.lead:
            self.add("")
        self.marker.pop()

    def table(self, table: nodes.Element) -> None:
        for title in table.findall(nodes.title):
            self.add(self.text(title))
        header = sum(len(head.children) for head in table.findall(nodes.thead))
        rows = [
            [cell for entry in row.findall(nodes.entry) for cell in self.cells(entry)]
            for row in table.findall(nodes.row)
        ]
        for line in table_lines(rows, header or None):
            self.draft.add("table", line)

    def cells(self, entry: nodes.Element) -> list[str]:
        text = " ".join(self.text(child) for child in entry.children)
        return [text, *[""] * min(int(entry.get("morecols", 0)), _WIDEST_SPAN)]

    def directive(self, node: nodes.Element, heads: bool) -> None:
        """What docutils does not know, by its form: its content as what its name promises.

        What describes a function or a class is a section of its own where `heads` allows it."""
        written = next(iter(node.findall(nodes.literal_block)), None)
        found = _DIRECTIVE.match(written.astext()) if written is not None else None
        if written is None or found is None or _ELSEWHERE.fullmatch(name := found.group(1)):
            return
        head, content = _parts(written.astext()[found.end() :])
        if _CODE.fullmatch(name):
            self.draft.add("code", content or head)
            return
        described = heads and head and _OBJECT.fullmatch(name)
        if described:
            self.draft.add("heading", _called(head), self.level)
            self.draft.add("code", head)
        elif head and not _BARE.fullmatch(name):
            self.add(_CHANGES.get(name, "") + _bare(head))
        if content and self.unknown < _DEEPEST:
            self.unknown += 1
            self.level += bool(described)
            self.through(_parsed(content).children)
            self.level -= bool(described)
            self.unknown -= 1

    def text(self, node: nodes.Node) -> str:
        """The text of inline nodes."""
        return " ".join("".join(self.pieces(node)).split())

    def pieces(self, node: nodes.Node) -> Iterator[str]:
        if isinstance(node, nodes.Text):
            yield node.astext()
        elif isinstance(node, nodes.option_group):
            yield ", ".join(option.astext() for option in node.children)
        elif isinstance(node, nodes.problematic):  # mostly a role that docutils does not know
            yield _bare(node.astext())
        elif isinstance(node, nodes.substitution_reference):
            found = self.substitutions.get(node.get("refname", ""))
            yield node.astext() if found is None else found.astext()
        elif isinstance(node, nodes.footnote_reference | nodes.citation_reference):
            yield f"[{node.astext()}]"
        elif not isinstance(node, (*_SKIPPED, nodes.system_message)):
            for child in node.children:
                yield from self.pieces(child)
            if isinstance(node, nodes.paragraph):
                yield " "


def _parts(written: str) -> tuple[str, str]:
    """The arguments of a directive and its content; its options are dropped."""
    first, *rest = written.split("\n")
    arguments = [first.strip()]
    at = 0
    while at < len(rest) and rest[at].strip():
        if not _OPTION.match(rest[at]):
            arguments.append(rest[at].strip())
        elif len(arguments) > 1:
            break
        at += 1
    head = " ".join(" ".join(arguments).replace("\\", " ").split())
    return head, textwrap.dedent("\n".join(rest[at:])).strip("\n")


def _called(signature: str) -> str:
    """The name in a signature: `class json.JSONDecoder(strict)`."""
    return signature.partition("(")[0].split()[-1] if signature[0] != "(" else signature


def _bare(text: str) -> str:
    """Text without roles: what `:ref:`Title <label>`` shows."""
    return _ROLE.sub(lambda match: _shown(match.group(1) or match.group(2) or match.group(3)), text)


def _shown(content: str) -> str:
    shown = _TARGET.sub("", content)
    if shown.startswith("~"):
        return shown.rpartition(".")[2]
    return shown.removeprefix("!")
