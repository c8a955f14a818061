"""The arithmetic, and its file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retrieval.support.network import Network


def network(units: int) -> Network:
    random = np.random.default_rng(1)
    return Network(
        inputs=("a", "b"),
        mean=np.array([1, 2], dtype=np.float32),
        scale=np.array([2, 4], dtype=np.float32),
        linear=np.array([3, 5], dtype=np.float32),
        bias=0.5,
        hidden=random.normal(size=(2, units)).astype(np.float32),
        shift=np.zeros(units, dtype=np.float32),
        out=np.ones(units, dtype=np.float32),
    )


def test_without_hidden_units_it_is_linear() -> None:
    rows = np.array([[1, 2], [3, 6]], dtype=np.float32)
    assert network(0)(rows).tolist() == [0.5, 8.5]


@pytest.mark.parametrize("units", [0, 3])
def test_reads_what_it_stored(units: int) -> None:
    kept = Network.read(json.loads(json.dumps(network(units).stored())), ("a", "b"))
    rows = np.array([[1, 0], [0, 6]], dtype=np.float32)
    assert kept(rows) == pytest.approx(network(units)(rows), rel=1e-3)


def test_refuses_weights_that_were_fitted_to_other_inputs() -> None:
    with pytest.raises(ValueError, match="other inputs"):
        Network.read(network(0).stored(), ("a", "c"))
