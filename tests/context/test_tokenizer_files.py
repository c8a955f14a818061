"""A model's own tokenizer."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest
from tokenizers import Tokenizer

import retrieval.rerankers.packaged
from context.tokenizer_files import BadTokenizer, check, found
from context.tokens import counter
from context.vocabularies import CL100K, loaded

PACKAGED = Path(str(retrieval.rerankers.packaged.__path__[0])) / "tokenizer.json"
TEXTS = ("", "The pump has a warranty.", "Größe, 1,000.50 and </source>\n", "不支持退款 " * 300)


@pytest.mark.parametrize("text", TEXTS)
def test_counts_as_the_file_does(text: str) -> None:
    tokenizer = Tokenizer.from_file(str(PACKAGED))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    expected = len(tokenizer.encode(text, add_special_tokens=False).ids)
    assert counter("some/model", PACKAGED)(text) == expected
    assert counter("some/model", PACKAGED).exact


@pytest.mark.parametrize("text", TEXTS)
def test_counts_as_mistrals_file_does(text: str, tmp_path: Path) -> None:
    whole = loaded(CL100K)
    vocabulary = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode()}
        for rank, token in enumerate(whole.token_byte_values())
    ]
    config = {
        "pattern": whole._pat_str,
        "default_vocab_size": len(vocabulary) + 10,
        "default_num_special_tokens": 10,
    }
    (tmp_path / "tekken.json").write_bytes(orjson.dumps({"config": config, "vocab": vocabulary}))
    file = found(tmp_path)
    assert file
    assert counter("mistral-small", file)(text) == len(whole.encode_ordinary(text))


def test_a_lone_surrogate_can_be_counted() -> None:
    assert counter("m", PACKAGED)("a \ud800 b") > 0


def test_a_folder_is_searched_for_it(tmp_path: Path) -> None:
    assert found(PACKAGED.parent) == PACKAGED
    assert found(PACKAGED) == PACKAGED
    assert found(tmp_path) is None


@pytest.mark.parametrize("name", ["tokenizer.json", "tekken.json"])
def test_a_file_that_is_none_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(BadTokenizer, match=name):
        check(tmp_path / name)
