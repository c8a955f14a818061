"""A small model out of a large one."""

from __future__ import annotations

import pytest

from cache.verification.pairs import read

torch = pytest.importorskip("torch", reason="the pair model is trained with the extra `train`")


def test_neurons_that_say_nothing_are_what_is_cut_away() -> None:
    from eval.train.verifier.model import PairModel
    from eval.train.verifier.narrowing import narrowed, worth
    from eval.train.verifier.training import Labelled, opinions

    torch.manual_seed(1)
    words = torch.randn(1100, 384)
    large = PairModel(2, 8).eval()
    for layer in large.layers:
        layer.narrow.weight.data[:, 1::2] = 0
    pairs = [(read([1000, n], [1001, n]), read([1001, n], [1000, n])) for n in range(1002, 1012)]
    found = worth(large, words, [Labelled(pair, 0.9) for pair in pairs])
    small = narrowed(large, found, (0, 1), 4).eval()
    asked = [one for one, _ in pairs]
    assert opinions(small, words, asked) == pytest.approx(opinions(large, words, asked), abs=1e-6)
    assert [len(layer.wide.bias) for layer in small.layers] == [4, 4]


def test_layers_that_are_not_kept_are_gone() -> None:
    from eval.train.verifier.model import PairModel
    from eval.train.verifier.narrowing import narrowed

    large = PairModel(3, 4)
    small = narrowed(large, [torch.arange(4.0)] * 3, (0, 2), 4)
    assert torch.equal(small.layers[1].query.weight, large.layers[2].query.weight)
    assert len(small.layers) == 2
