from __future__ import annotations

import pytest

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Unreadable

TEXT = "Fünf Preise: 5 €.\nEnde"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_reads_with_or_without_a_mark(encoding: str) -> None:
    assert decoded(TEXT.encode(encoding)) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_knows_two_byte_text_by_its_zeros(encoding: str) -> None:
    assert decoded(("Plain text. " * 9).encode(encoding)) == "Plain text. " * 9


def test_believes_a_declared_encoding_that_fits() -> None:
    assert decoded("東京 and more".encode("shift_jis"), "Shift_JIS") == "東京 and more"


def test_an_unknown_declaration_is_ignored() -> None:
    assert decoded(TEXT.encode("cp1252"), "no-such-thing") == TEXT


@pytest.mark.parametrize(
    "data",
    [
        "Привет, мир, как дела".encode("cp1251"),
        "東京都千代田区".encode("euc_jp"),
        "Größe ".encode() * 5 + b"\xe2\x82",
        b"\xff\xfe\x00\xd8\x00",
    ],
    ids=["cyrillic", "japanese", "cut", "half a mark"],
)
def test_rather_refuses_than_guesses(data: bytes) -> None:
    with pytest.raises(Unreadable, match="not decodable"):
        decoded(data)


def test_line_ends_become_one_kind() -> None:
    assert decoded(b"a\r\nb\rc\n") == "a\nb\nc\n"
