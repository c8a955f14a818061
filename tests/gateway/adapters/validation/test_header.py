"""Whatever bytes come, a header is told or refused, and no more of a file is read than it takes."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.failures import BadAdapter
from gateway.adapters.validation.check import checked
from gateway.adapters.validation.header import LONGEST, tensors
from tests.gateway.adapters.made import adapter, base, config, described, llama, packed, pair

TABLE = described(llama(layers=1))
WHOLE = packed(TABLE)
NUMBERS = WHOLE[8 + int.from_bytes(WHOLE[:8], "little") :]
SOME: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["F32", "BF16", "I8"]),
    st.lists(st.integers(-2, 2**65), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


class Watched(io.BytesIO):
    """A file that says how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        found = super().read(size)
        self.taken += len(found)
        return found


def read(data: bytes) -> int:
    """How much of a file was read, whether it is one or not."""
    file = Watched(data)
    with suppress(BadAdapter):
        for each in tensors(file, len(data)):
            assert 0 <= each.start <= each.end <= len(data)
    return file.taken


def test_a_header_says_where_numbers_lie() -> None:
    data = packed(described({"a": (2, 3), "b": (4,)}, "F32"))
    first, second = tensors(io.BytesIO(data), len(data))
    assert (first.name, first.dtype, first.shape) == ("a", "F32", (2, 3))
    assert (first.end - first.start, second.start, second.end) == (24, first.end, len(data))


def test_the_numbers_are_not_read() -> None:
    assert read(WHOLE) <= len(WHOLE) - len(NUMBERS) + 64


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_told(data: bytes) -> None:
    assert read(data) <= len(data)


@given(st.binary(min_size=1, max_size=100), st.integers(1, 2**64 - 1))
def test_of_any_length_that_is_claimed_no_more_is_read(data: bytes, length: int) -> None:
    assert read(length.to_bytes(8, "little") + b"{" + data) <= 9 + len(data)


@given(st.integers(0, len(WHOLE) - len(NUMBERS) - 1), st.binary(min_size=1, max_size=4))
def test_a_header_with_other_bytes_in_it_is_refused_or_told(place: int, put: bytes) -> None:
    read(WHOLE[:place] + put + WHOLE[place + len(put) :])


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_is_refused(size: int) -> None:
    with pytest.raises(BadAdapter):
        tensors(io.BytesIO(WHOLE[:size]), size)


@given(st.sampled_from(sorted(TABLE)), st.sampled_from(["dtype", "shape", "data_offsets"]), SOME)
def test_any_description_is_refused_or_told(name: str, key: str, value: object) -> None:
    table: dict[str, Any] = json.loads(json.dumps(TABLE))
    table[name][key] = value
    read(packed(table, NUMBERS))


@given(st.sampled_from(sorted(config())), SOME)
def test_any_configuration_is_refused_or_told(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = adapter(tmp_path_factory.getbasetemp() / "any", **{key: value})
    with suppress(BadAdapter):
        assert checked(folder, base()).rank >= 1


def test_a_claim_of_gigabytes_reads_nothing_of_them(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a", weights=(LONGEST + 1).to_bytes(8, "little") + b"{")
    os.truncate(folder / "adapter_model.safetensors", 2**40)
    with pytest.raises(BadAdapter, match="is too large"):
        checked(folder)


def test_what_a_foreign_file_says_stands_in_one_plain_line(tmp_path: Path) -> None:
    shapes = pair("model.layers.0.\x1b[2J\n‮evil" + "x" * 500, 8, 64, 64)
    with pytest.raises(BadAdapter) as error:
        checked(adapter(tmp_path / "a", shapes))
    assert error.value.reason.isascii() or "…" in error.value.reason
    assert error.value.reason.isprintable()
    assert len(error.value.reason) < 250
