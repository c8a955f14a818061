# ruff: noqa: E501 - what is long here are documents
"""Small documents of every format, written here so that nothing has to be downloaded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_TYPES = '<?xml version="1.0"?><Types xmlns="x"><Default Extension="xml" ContentType="x"/></Types>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _relations(*targets: tuple[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{found}</Relationships>'


def _docx() -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>'
    )
    body = (
        f'<w:document xmlns:w="{word}"><w:body><w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
        "<w:r><w:t>Leave</w:t></w:r></w:p><w:p><w:r><w:t>Ask first.</w:t></w:r></w:p><w:tbl><w:tr>"
        "<w:tc><w:p><w:r><w:t>Grade</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Days</w:t></w:r>"
        '</w:p></w:tc></w:tr><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p/></w:tc>'
        "</w:tr></w:tbl></w:body></w:document>"
    )
    return archive(
        {
            "[Content_Types].xml": types,
            "_rels/.rels": _relations(("officeDocument", "word/document.xml")),
            "word/document.xml": body,
        }
    )


def _pptx() -> bytes:
    names = f'xmlns:p="p" xmlns:a="a" xmlns:r="{_OFFICE}"'
    slide = (
        f"<p:sld {names}><p:cSld><p:spTree><p:sp><p:nvSpPr><p:cNvPr id='1' name='T'/><p:nvPr>"
        "<p:ph type='title'/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>Leave</a:t></a:r></a:p>"
        "</p:txBody></p:sp><p:grpSp><p:sp><p:spPr><a:xfrm><a:off x='1' y='2'/><a:ext cx='3' cy='4'/>"
        "</a:xfrm></p:spPr><p:txBody><a:p><a:pPr lvl='1'><a:buAutoNum startAt='3'/></a:pPr><a:r>"
        "<a:t>Ask</a:t></a:r></a:p></p:txBody></p:sp></p:grpSp><p:graphicFrame><a:graphic>"
        "<a:graphicData><a:tbl><a:tblPr firstRow='1'/><a:tr><a:tc hMerge='1'><a:txBody><a:p><a:r>"
        "<a:t>Grade</a:t></a:r></a:p></a:txBody></a:tc><a:tc/></a:tr></a:tbl></a:graphicData>"
        "</a:graphic></p:graphicFrame></p:spTree></p:cSld></p:sld>"
    )
    return archive(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": _relations(("officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": f"<p:presentation {names}><p:sldIdLst><p:sldId id='256' r:id='r1'/>"
            "</p:sldIdLst><p:sldSz cx='9144000' cy='6858000'/></p:presentation>",
            "ppt/_rels/presentation.xml.rels": _relations(("slide", "slides/slide1.xml")),
            "ppt/slides/slide1.xml": slide,
        }
    )


def _xlsx() -> bytes:
    sheet = (
        '<worksheet><cols><col min="3" max="3" hidden="1"/></cols><sheetData>'
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>Days</t></is></c>'
        '</row><row r="2"><c r="A2" t="str"><v>G1</v></c><c r="B2" s="1"><v>45321.5</v></c>'
        '<c r="C2" t="b"><v>1</v></c></row></sheetData>'
        '<mergeCells><mergeCell ref="A2:A3"/></mergeCells></worksheet>'
    )
    return archive(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns:r="{_OFFICE}"><sheets>'
            '<sheet name="Staff" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations(
                ("worksheet", "worksheets/sheet1.xml"),
                ("sharedStrings", "sharedStrings.xml"),
                ("styles", "styles.xml"),
            ),
            "xl/sharedStrings.xml": "<sst><si><t>Grade</t></si></sst>",
            "xl/styles.xml": '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="d/m/yy h:mm"/>'
            '</numFmts><cellXfs><xf/><xf numFmtId="164"/></cellXfs></styleSheet>',
            "xl/worksheets/sheet1.xml": sheet,
        }
    )


def _epub() -> bytes:
    return archive(
        {
            "META-INF/container.xml": "<container><rootfiles><rootfile full-path='book.opf'/>"
            "</rootfiles></container>",
            "book.opf": "<package><metadata><title>Leave</title></metadata><manifest>"
            "<item id='a' href='a.xhtml' media-type='application/xhtml+xml'/>"
            "<item id='n' href='n.xhtml' properties='nav'/></manifest>"
            "<spine><itemref idref='a'/></spine></package>",
            "n.xhtml": "<html xmlns:e='e'><nav e:type='toc'><ol><li><a href='a.xhtml'>Leave</a></li>"
            "</ol></nav></html>",
            "a.xhtml": "<html><head><title/></head><body><p>Ask first.</p></body></html>",
        }
    )


def _pdf() -> bytes:
    content = b"BT /F1 24 Tf 72 700 Td (Leave) Tj 0 -40 Td /F1 10 Tf (Ask first.) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(out) + tail % (len(objects) + 1, start)


_TEXTS = {
    "a.md": "---\ntitle: Leave\ntags: [a, b]\n---\n# Leave\n\n> Quoted *words*, a [link](x) and `code`.\n\n"
    "1. One\n   - Two\n\n| Grade | Days |\n|---|---|\n| G1 | 25 |\n\n```py\nprint(1)\n```\n<p>HTML</p>\n",
    "a.txt": "LEAVE\n\nAsk first, then go.\n\n2.1 Days\n\n- one\n- two\n  hangs\n\nDone\n====\n",
    "a.html": "<!doctype html><title>T</title><nav>menu</nav><main><h1>Leave</h1><p>Ask <b>first</b>."
    "<ol start=3><li>One<ul><li>Two</ul></ol><table><tr><th rowspan=2>Grade<th>Days<tr><td colspan=2>"
    "25</table><pre>code</pre><p hidden>secret<p style='display:none'>more</main>",
    "a.csv": 'Grade,Days,Note\nG1,25,"a ""quoted"" cell\nof two lines"\nG2,28,\n',
    "a.tsv": "Grade\tDays\nG1\t25\n",
    "a.json": '{"title":"Leave","text":"Ask first.","at":{"x":1.50,"on":true,"no":null},'
    '"days":[{"grade":"G1","days":25},{"grade":"G2"}],"m":[[1,2],[3]],"n":NaN}',
    "a.jsonl": '{"_id":"d1","title":"Leave","text":"Ask first."}\n{"_id":"d2","text":"Two."}\n',
    "a.eml": "From: Ann <a@x.org>\nTo: b@x.org\nSubject: =?utf-8?q?Leave?=\nMIME-Version: 1.0\n"
    'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: multipart/alternative; '
    'boundary="c"\n\n--c\nContent-Type: text/plain; charset=utf-8; format=flowed\n\nYes. \nAll.\n\n> May I?\n'
    "--c\nContent-Type: text/html\n\n<p>Yes.</p><blockquote>May I?</blockquote>\n--c--\n--b\n"
    'Content-Disposition: attachment; filename="a.csv"\nContent-Transfer-Encoding: base64\n\n'
    "YSxiCjEsMgo=\n--b\nContent-Type: message/rfc822\n\nSubject: In\n\nSaid.\n--b--\n",
    "a.rst": "Leave\n=====\n\nAsk *first*.\n\n.. note:: Mind.\n\n.. include:: /etc/passwd\n\n- one\n\n"
    "+---+---+\n| a | b |\n+---+---+\n\n.. code:: py\n\n   print(1)\n\n.. _x: http://x.org\n",
    "a.py": '"""Leave."""\n\nclass Ask(Base):\n    """Ask first."""\n\n    async def go(self, x: int = 1):\n'
    "        return f'{x}'\n\n@wrap\ndef done(): ...\n",
    "a.js": "import x from 'y';\n/** Leave. */\nexport class Ask extends B { #p = 1; async go() { return `a${1}`; } }\n"
    "const f = (x) => x;\n",
    "a.ts": "interface Ask<T> { go(x: T): Promise<void>; }\nexport enum E { A = 1 }\n",
    "a.go": "package a\n\n// Go leaves.\nfunc (a *Ask) Go(x int) error { return nil }\ntype Ask struct{ X int }\n",
    "a.rs": "//! Leave.\npub trait Ask { fn go(&self) -> u8; }\nimpl<T> Ask for T { fn go(&self) -> u8 { 1 } }\n",
    "a.java": "package a;\n/** Leave. */\npublic class Ask<T> { @Override public void go() { } }\n",
    "a.c": "#include <x.h>\n/* Leave. */\nstatic int ask(int x) { return x; }\nstruct a { int b; };\n",
    "a.cpp": "namespace a { template <class T> class Ask : B { public: virtual void go() = 0; }; }\n",
    "a.rb": "module A\n  # Leave.\n  class Ask < B\n    def go(x = 1) = x\n  end\nend\n",
    "a.php": "<?php\nnamespace A;\n/** Leave. */\nclass Ask { public function go(): void { echo 1; } }\n",
    "a.cs": "namespace A;\n/// <summary>Leave.</summary>\npublic record Ask(int X) { void Go() { } }\n",
    "a.sql": "-- Leave.\nCREATE TABLE ask (id INT);\n\nSELECT 1;\n",
    "a.yaml": "# Leave.\nask:\n  first: [1, 2]\n\nthen: go\n",
    "a.sh": "#!/bin/sh\n# Leave.\nask() {\n  echo 1\n}\n\nask\n",
}


def documents() -> dict[str, bytes]:
    """A document of each format by its file name."""
    made = {name: text.encode() for name, text in _TEXTS.items()}
    office = {"a.docx": _docx(), "a.pptx": _pptx(), "a.xlsx": _xlsx(), "a.epub": _epub()}
    return made | office | {"a.pdf": _pdf()}
