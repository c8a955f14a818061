"""The exported graph says what the trained model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

PARTS = [0, *[1] * 6, 2, 2, 0, *[3] * 20, 4, 4, *[3] * 5, 0]


def model() -> Any:
    from eval.train.reranker.model import Reader

    torch.manual_seed(13)
    made = Reader(2).eval()
    torch.nn.init.normal_(made.rare.weight, std=0.1)
    made.rarity.uniform_()
    return made


def said(path: Path, tokens: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {"tokens": tokens.numpy(), "parts": np.array([PARTS], dtype=np.int64)}
    return list(session.run(None, given))


@pytest.mark.parametrize(("precision", "near"), [("fp32", 5e-3), ("int8", 5e-2)])
def test_the_graph_reads_as_the_model_does(tmp_path: Path, precision: str, near: float) -> None:
    from eval.train.reranker.export import arrays, export

    reader = model()
    tokens = torch.randint(1000, 30000, (1, len(PARTS)))
    read = reader(tokens, torch.tensor([PARTS]))
    export(arrays(reader.state_dict()), tmp_path / "reader.onnx", precision)
    relevance, starts, ends, none = said(tmp_path / "reader.onnx", tokens)
    assert relevance[0] == pytest.approx(read.relevance.item(), abs=near)
    assert starts == pytest.approx(read.starts[0].detach().numpy(), abs=near)
    assert ends == pytest.approx(read.ends[0].detach().numpy(), abs=near)
    assert none[0] == pytest.approx(read.none.item(), abs=near)


def test_what_was_exported_can_be_trained_on(tmp_path: Path) -> None:
    from eval.train.reranker.export import arrays, export, stored
    from eval.train.reranker.model import from_stored

    reader = model()
    export(arrays(reader.state_dict()), tmp_path / "reader.onnx")
    again = from_stored(stored(tmp_path / "reader.onnx")).eval()
    tokens = torch.randint(1000, 30000, (1, len(PARTS)))
    first, second = (each(tokens, torch.tensor([PARTS])) for each in (reader, again))
    assert second.relevance.item() == pytest.approx(first.relevance.item(), abs=5e-2)
