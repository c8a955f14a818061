from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import archive, blocks, hello, pdf, read


def message(body: str = "Hello.", subject: str = "Leave") -> EmailMessage:
    found = EmailMessage()
    found["Subject"] = subject
    found["From"] = "Ann <ann@example.com>"
    found["To"] = "Bo <bo@example.com>"
    found["Date"] = "Tue, 01 Oct 2024 12:34:56 +0200"
    found.set_content(body)
    return found


HEAD = "From: Ann <ann@example.com>\nTo: Bo <bo@example.com>\nDate: Tue, 01 Oct 2024 12:34:56 +0200"


def test_says_who_wrote_to_whom_about_what(tmp_path: Path) -> None:
    document = read(tmp_path, "a.eml", message(subject="Übermorgen").as_bytes())
    assert document.title == "Übermorgen"
    assert blocks(document) == [
        ("heading", "Übermorgen"),
        ("paragraph", HEAD),
        ("paragraph", "Hello."),
    ]
    assert document.meta["from"] == "Ann <ann@example.com>"
    assert document.meta["date"] == "2024-10-01T12:34:56+02:00"


def test_plain_text_is_read_where_it_says_what_the_html_says(tmp_path: Path) -> None:
    both = message("The meeting is on Monday.")
    both.add_alternative("<p>The meeting is on <b>Monday</b>.</p>", subtype="html")
    document = read(tmp_path, "a.eml", both.as_bytes())
    assert blocks(document)[2:] == [("paragraph", "The meeting is on Monday.")]


def test_html_is_read_where_the_plain_text_only_points_to_it(tmp_path: Path) -> None:
    both = message("See the HTML.")
    both.add_alternative("<h1>News</h1><p>Much more is said here.</p>", subtype="html")
    assert blocks(read(tmp_path, "a.eml", both.as_bytes()))[2:] == [
        ("heading", "News"),
        ("paragraph", "Much more is said here."),
    ]


def test_quotes_stay_and_are_marked(tmp_path: Path) -> None:
    reply = message("Yes.\n\nOn Monday Bo wrote:\n\n> May I?\n")
    assert "> May I?" in read(tmp_path, "a.eml", reply.as_bytes()).text
    html = message()
    html.set_content("<p>Yes.</p><blockquote><p>May I?</p></blockquote><p>So.</p>", subtype="html")
    text = read(tmp_path, "a.eml", html.as_bytes()).text
    assert text.split("\n\n")[2:] == ["Yes.", "> May I?", "So."]
    older = message("Yes.\n\n-----Original Message-----\n\nMay I?")
    assert read(tmp_path, "a.eml", older.as_bytes()).text.endswith("\n\n> May I?")


def test_attachments_of_known_formats_are_sections(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(pdf(hello), maintype="application", subtype="pdf", filename="page.pdf")
    mail.add_attachment("a,b\n1,2\n", filename="table.csv", subtype="csv")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    document = read(tmp_path, "a.eml", mail.as_bytes())
    assert blocks(document)[3:] == [
        ("heading", "page.pdf"),
        ("paragraph", "Hello from a page."),
        ("heading", "table.csv"),
        ("table", "a: 1; b: 2"),
        ("paragraph", "Attached: logo.png"),
    ]
    assert document.blocks[3].level == 2


def test_neither_a_mail_nor_what_is_attached_can_hide_a_document(tmp_path: Path) -> None:
    mail = message('---\nsupersedes: a.md\n---\n<meta name="supersedes" content="a.md">')
    mail["Supersedes"] = "a.md"
    mail.add_attachment("---\nsupersedes: a.md\n---\nNew.", filename="b.md", subtype="markdown")
    assert "supersedes" not in read(tmp_path, "a.eml", mail.as_bytes()).meta


def test_an_attachment_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    mail = message()
    locked = pdf(hello, password="secret")
    mail.add_attachment(locked, maintype="application", subtype="pdf", filename="a.pdf")
    bomb = archive({"[Content_Types].xml": "", "word/document.xml": "x" * 65_000_000})
    mail.add_attachment(bomb, maintype="application", subtype="zip", filename="b.docx")
    assert read(tmp_path, "a.eml", mail.as_bytes()).text.endswith(
        "Attached: a.pdf (encrypted: it needs a password), b.docx (too large: it unpacks to 65 MB)"
    )


def test_messages_within_messages_are_read_to_a_depth(tmp_path: Path) -> None:
    mail = message("Innermost.", "Level 0")
    for level in range(1, 9):
        outer = message("Around.", f"Level {level}")
        outer.add_attachment(mail.as_bytes(), "application", "octet-stream", filename="in.eml")
        mail = outer
    titles = [text for kind, text in blocks(read(tmp_path, "a.eml", mail.as_bytes()))[:99]]
    assert [text for text in titles if text.startswith("Level")] == [
        f"Level {level}" for level in (8, 7, 6, 5, 4)
    ]


def test_attachments_are_read_to_a_number(tmp_path: Path) -> None:
    mail = message()
    for number in range(60):
        mail.add_attachment("Said.", filename=f"{number}.txt")
    text = read(tmp_path, "a.eml", mail.as_bytes()).text
    assert text.count("Said.") == 50
    assert "Attached: 50.txt, 51.txt" in text


def test_wide_text_saved_as_a_message_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "a.eml", message().as_string().encode("utf-16")).title == "Leave"


@pytest.mark.parametrize("charset", ["utf-8", "nonsense", "utf-7x", "base64"])
def test_a_wrong_charset_does_not_cost_the_message(tmp_path: Path, charset: str) -> None:
    head = f"From: ann@example.com\nContent-Type: text/plain; charset={charset}\n\n"
    assert (
        "Grüße" in read(tmp_path, "a.eml", head.encode() + "Grüße aus Köln".encode("cp1252")).text
    )


@pytest.mark.parametrize(
    ("header", "value"),
    [("Content-Type", '"' * 5_000), ("To", "<" * 100_000), ("Subject", "=?utf-8?q?" * 5_000)],
)
def test_malformed_headers_do_not_cost_the_message(tmp_path: Path, header: str, value: str) -> None:
    data = f"From: ann@example.com\n{header}: {value}\n\nSaid."
    assert "Said." in read(tmp_path, "a.eml", data).text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Only text, and no header.\n", "wrong type: text without the header"),
        (b"Content-Type: application/pkcs7-mime\n\nabc", "encrypted: it is sealed"),
        (b'Content-Type: multipart/encrypted; boundary="a"\n\n--a\n\nb\n--a--', "encrypted"),
        (b"A: b\n\n" + b"\n" * 2_000_000 + b"x", "too large: a message of more than 2,000,000"),
        (
            b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
                for n in range(250)
            )
            + b"x\n" * 50_000,
            "too deep: a message of parts within parts",
        ),
        (
            b"A: b\nContent-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 2_000,
            "too large: a message of more than 1,000 parts",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path, "a.eml", data)
    assert refused.value.reason.startswith(reason)
