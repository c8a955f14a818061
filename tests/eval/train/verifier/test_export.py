"""The graph says what the model in torch says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.verification.pair_model import GRAPH, PairModel
from cache.verification.pairs import LONGEST, read

torch = pytest.importorskip("torch", reason="the pair model is trained with the extra `train`")


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-4), ("int8", 0.2)])
def test_the_graph_thinks_as_the_model(tmp_path: Path, precision: str, apart: float) -> None:
    from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]

    from eval.train.reranker.export import arrays
    from eval.train.verifier.export import export
    from eval.train.verifier.model import from_minilm
    from eval.train.verifier.training import inputs
    from retrieval.encoders.minilm import model_folder

    torch.manual_seed(1)
    weights = load_file(str(model_folder() / "model.safetensors"))
    model = from_minilm(weights, (0, 1)).eval()
    export(arrays(model.state_dict()), tmp_path / GRAPH, precision)
    exported = PairModel(tmp_path)
    for one, other in (("is it far", "how far is it"), ("a " * 200, "b")):
        pair = exported.read(one, other)
        with torch.no_grad():
            told = model(*inputs(weights["embeddings.word_embeddings.weight"], [pair]))
        assert exported.opinion(pair) == pytest.approx(float(told[0]), abs=apart)


def test_a_pair_is_never_longer_than_the_graph_takes() -> None:
    assert len(read(list(range(500)), list(range(500))).tokens) == 2 * LONGEST + 3
