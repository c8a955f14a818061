"""The sample handbook holds what its labelled questions say, and its binaries match their sources.

It does not judge how well the product answers; evaluation does that.
"""

import csv
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HANDBOOK = EXAMPLES / "handbook"
BINARIES = ("equipment-inspection-manual.pdf", "grades-and-benefits.docx")
KINDS = {
    "exact_code",
    "region",
    "number",
    "two_documents",
    "table",
    "paraphrase",
    "pdf",
    "docx",
    "csv",
    "html",
    "faq",
    "unanswerable",
    "injection",
}


@dataclass(frozen=True, slots=True)
class Question:
    """`documents` hold the answer together for `two_documents`, and each alone otherwise."""

    id: str
    question: str
    answers: list[str]
    documents: list[str]
    kind: str


QUESTIONS = [
    Question(**json.loads(line))
    for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question.kind != "unanswerable"]
TOUR = json.loads((EXAMPLES / "tour.json").read_text(encoding="utf-8"))


class VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(path: Path) -> str:
    """The document's words in reading order, with any run of white space as one space."""
    readers = {".pdf": pdf_text, ".docx": docx_text, ".html": html_text}
    read = readers.get(path.suffix, lambda file: file.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", read(path))


def html_text(path: Path) -> str:
    parser = VisibleText()
    parser.feed(path.read_text(encoding="utf-8"))
    return " ".join(parser.parts)


def pdf_text(path: Path) -> str:
    pypdfium2 = pytest.importorskip("pypdfium2")
    with pypdfium2.PdfDocument(path) as document:
        return " ".join(page.get_textpage().get_text_range() for page in document)


def docx_text(path: Path) -> str:
    from docx import Document

    document = Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return " ".join([paragraph.text for paragraph in document.paragraphs] + cells)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {path.name: text_of(path) for path in HANDBOOK.iterdir()}


def test_there_are_enough_documents_of_every_format_that_can_be_ingested() -> None:
    documents = list(HANDBOOK.iterdir())
    assert len(documents) >= 25
    assert {path.suffix for path in documents} == {".md", ".txt", ".html", ".pdf", ".docx", ".csv"}


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question.id)
def test_the_gold_documents_hold_the_answer_verbatim(
    question: Question, texts: dict[str, str]
) -> None:
    assert question.answers
    assert question.documents
    holders = {
        answer: {name for name in question.documents if answer in texts[name]}
        for answer in question.answers
    }
    assert all(holders.values()), holders
    assert set.union(*holders.values()) == set(question.documents)


def test_a_question_over_two_documents_is_answered_by_neither_alone(texts: dict[str, str]) -> None:
    for question in QUESTIONS:
        if question.kind == "two_documents":
            assert len(question.documents) == 2, question.id
            for name in question.documents:
                assert not all(answer in texts[name] for answer in question.answers), question.id


def test_unanswerable_questions_name_no_document() -> None:
    unanswerable = [question for question in QUESTIONS if question.kind == "unanswerable"]
    assert len(unanswerable) >= 12
    assert not any(question.answers or question.documents for question in unanswerable)


def test_every_kind_of_question_is_asked_under_its_own_id() -> None:
    assert len(QUESTIONS) >= 60
    assert {question.kind for question in QUESTIONS} == KINDS
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question.question for question in QUESTIONS}) == len(QUESTIONS)


def test_exactly_one_document_tries_to_instruct_the_model(texts: dict[str, str]) -> None:
    planted = [name for name, text in texts.items() if "ignore your previous instructions" in text]
    assert planted == ["supplier-letter-webbing-2025.md"]
    assert [name for name, text in texts.items() if "TIDEGOLD" in text] == planted


@pytest.mark.parametrize("path", sorted(HANDBOOK.glob("*.md")), ids=lambda path: path.name)
def test_markdown_opens_with_plain_metadata_and_then_its_title(path: Path) -> None:
    before, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert before == ""
    assert all(re.fullmatch(r"[a-z_]+: [^:]+", line) for line in front.splitlines())
    assert body.lstrip().startswith("# ")


def test_the_price_list_names_replacements_that_it_sells() -> None:
    with (HANDBOOK / "price-list.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    active = {row["sku"] for row in rows if row["status"] == "active"}
    replaced = [row for row in rows if row["status"] == "discontinued"]
    assert len(rows) >= 60
    assert len({row["sku"] for row in rows}) == len(rows)
    assert replaced
    assert {row["replacement"] for row in replaced} <= active


def test_the_tour_asks_one_question_that_the_handbook_cannot_answer() -> None:
    assert [set(stop) for stop in TOUR] == [{"question", "why"}] * 3
    kinds = {question.question: question.kind for question in QUESTIONS}
    assert kinds[TOUR[0]["question"]] == "region"
    assert kinds[TOUR[2]["question"]] == "unanswerable"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("reportlab", reason="reportlab, which writes the PDF, is not installed")
    folder = tmp_path_factory.mktemp("rebuilt")
    script = EXAMPLES / "make_binaries.py"
    subprocess.run([sys.executable, str(script), "--into", str(folder)], check=True)
    return folder


@pytest.mark.parametrize("name", BINARIES)
def test_the_builder_makes_the_committed_binaries_again(name: str, rebuilt: Path) -> None:
    # Texts, since another release of zlib may compress the same content to other bytes.
    assert text_of(rebuilt / name) == text_of(HANDBOOK / name)


@pytest.mark.parametrize("name", BINARIES)
def test_the_builder_makes_the_same_bytes_twice(name: str, rebuilt: Path, tmp_path: Path) -> None:
    script = EXAMPLES / "make_binaries.py"
    subprocess.run([sys.executable, str(script), "--into", str(tmp_path)], check=True)
    assert (tmp_path / name).read_bytes() == (rebuilt / name).read_bytes()
