"""How long a LoRA adapter takes to be looked over, beside merely reading its header.

The header is read by the safetensors library where it is installed, else by Python's JSON. What is
measured is processor time, since all files are in memory; the ratio, on the same files in turn,
hardly depends on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.adapters.content import CONFIG, WEIGHTS, digest
from gateway.adapters.validation.base import Base, sizes
from gateway.adapters.validation.check import checked

_NAME = "meta-llama/Llama-3.1-8B"
_BASE = Base(
    _NAME,
    sizes(
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128_256,
        }
    ),
)
_MODULES = {
    "self_attn.q_proj": (4096, 4096),
    "self_attn.k_proj": (4096, 1024),
    "self_attn.v_proj": (4096, 1024),
    "self_attn.o_proj": (4096, 4096),
    "mlp.gate_proj": (4096, 14336),
    "mlp.up_proj": (4096, 14336),
    "mlp.down_proj": (14336, 4096),
}


@dataclass(frozen=True, slots=True)
class Report:
    """Milliseconds of processor time an adapter, medians over all, and under which conditions."""

    adapters: int
    tensors: int
    size: int  # bytes of one adapter's weights
    check: float
    slowest: float  # of a hundred, the one that all but one are faster than
    header: float  # the reference
    reader: str  # what it was read by
    digest: float  # hashing what it holds, which is asked for once, when it is added
    machine: str

    @property
    def ratio(self) -> float:
        return self.check / self.header


def measure(adapters: int, rank: int) -> Report:
    """Look over this many adapters of all linear modules of an 8B model."""
    reader, read = _reader()
    checks: list[float] = []
    headers: list[float] = []
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as root:
        table, size = _header(rank)
        folders = [_written(Path(root, str(n)), table, size, rank) for n in range(adapters)]
        for number, folder in enumerate(folders):
            turns: list[tuple[Callable[[], object], list[float]]] = [
                (partial(checked, folder, _BASE, known_digest="0" * 64), checks),
                (partial(read, folder / WEIGHTS), headers),
            ]
            # Whoever is second finds the file warm.
            for call, times in turns if number % 2 else reversed(turns):
                times.append(_ms(call))
        hashing = statistics.median(_ms(partial(digest, each)) for each in folders[:5])
    return Report(
        adapters=adapters,
        tensors=len(table),
        size=size,
        check=statistics.median(checks),
        slowest=statistics.quantiles(checks, n=100)[98],
        header=statistics.median(headers),
        reader=reader,
        digest=hashing,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


def table(report: Report) -> str:
    """The report for people."""
    return "\n".join(
        [
            f"{report.adapters:,} adapters of {report.tensors} tensors and "
            f"{report.size / 1e6:.0f} MB; {report.machine}",
            f"looked over     {report.check:8.2f} ms   (the slowest of a hundred "
            f"{report.slowest:.2f})",
            f"header alone    {report.header:8.2f} ms   ({report.reader})",
            f"ratio           {report.ratio:8.2f}",
            f"digest          {report.digest:8.2f} ms   (once, when it is added)",
        ]
    )


def _header(rank: int) -> tuple[dict[str, object], int]:
    """What a file says that PEFT writes, and how many bytes of numbers follow."""
    table: dict[str, object] = {}
    place = 0
    for layer in range(32):
        for module, (taken, given) in _MODULES.items():
            for side, shape in (("A", (rank, taken)), ("B", (given, rank))):
                name = f"base_model.model.model.layers.{layer}.{module}.lora_{side}.weight"
                end = place + shape[0] * shape[1] * 2
                table[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, end]}
                place = end
    return table, place


def _written(folder: Path, table: dict[str, object], size: int, rank: int) -> Path:
    folder.mkdir()
    text = json.dumps(table).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(folder / WEIGHTS, 8 + len(text) + size)  # zeros that take no room on the disk
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": _NAME,
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": [name.rpartition(".")[2] for name in _MODULES],
    }
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def _reader() -> tuple[str, Callable[[Path], object]]:
    try:
        from safetensors import safe_open
    except ImportError:
        return "json", _by_json

    def by_safetensors(path: Path) -> object:
        with safe_open(path, "numpy") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118

    return "safetensors", by_safetensors


def _by_json(path: Path) -> object:
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def _ms(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1000
