"""Prompts against windows, estimates against tokenizers."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from click.testing import CliRunner

import retrieval.rerankers.packaged
from context.families import UNKNOWN, Weights, quick_counts
from context.tokenizer_files import counting
from context.vocabularies import O200K, loaded
from eval.bench.pack import measure
from eval.bench.pack import table as bench_table
from eval.counting import fitted, measured, texts_in
from eval.suites.context import command

PACKAGED = Path(str(retrieval.rerankers.packaged.__path__[0])) / "tokenizer.json"
PROSE = "The pump of series {n} has a warranty of two years, and costs {n} euros.\n"
FIGURES = "{n};{n}1234;5678{n};90\n"


def folder(at: Path) -> Path:
    for name, line in (("prose.txt", PROSE), ("figures.csv", FIGURES)):
        text = "".join(line.format(n=number) for number in range(3_000))
        (at / name.partition(".")[0]).mkdir()
        (at / name.partition(".")[0] / name).write_text(text)
    (at / "test_part").mkdir()
    (at / "test_part" / "held.txt").write_text("x " * 40_000)
    return at


def test_texts_are_gathered_by_kind_without_the_test_parts(tmp_path: Path) -> None:
    assert set(texts_in(folder(tmp_path), 1)) == {"prose .txt", "figures .csv"}


def test_what_is_counted_by_weights_is_fitted_to_them(tmp_path: Path) -> None:
    kinds = texts_in(folder(tmp_path), 1)

    def truth(text: str) -> int:
        tokens, digits, *_ = quick_counts(text, UNKNOWN)
        return tokens + digits

    weights = fitted(kinds, truth)
    assert measured(kinds, truth, weights).p95 < 0.01
    assert measured(kinds, truth, Weights(1)).p95 > 0.1


def test_the_suite_prints_what_it_finds(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    data = tmp_path / "data"
    data.mkdir()
    result = CliRunner().invoke(
        command,
        [
            *("--cases", "30", "--data", str(folder(data)), "--fit"),
            *("--tokenizer", f"bert={PACKAGED}", "--json", str(out)),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "30 random prompts, 0 of them wrong" in result.output
    assert json.loads(out.read_text())["rows"][0]["family"] == "bert"


def test_how_a_tokenizer_cuts_o200ks_tokens_is_written(tmp_path: Path) -> None:
    asked = ["--splits", str(tmp_path), "--tokenizer", f"bert={PACKAGED}"]
    result = CliRunner().invoke(command, asked)
    assert result.exit_code == 0, result.output
    table = zlib.decompress((tmp_path / "bert.splits").read_bytes())
    ranks = loaded(O200K).encode_ordinary(" the") + loaded(O200K).encode_ordinary("123")
    assert [table[rank] for rank in ranks] == [1, counting(PACKAGED)("123")]


def test_a_tokenizer_needs_texts_and_a_file(tmp_path: Path) -> None:
    assert CliRunner().invoke(command, ["--tokenizer", f"a={PACKAGED}"]).exit_code == 2
    assert CliRunner().invoke(command, ["--tokenizer", f"a={tmp_path}"]).exit_code == 2


def test_the_bench_packs_and_counts() -> None:
    report = measure(passages=5, words=40, rounds=2)
    assert report.tokens > 200
    assert "plain counting" in bench_table(report)
