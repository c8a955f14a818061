"""The command that starts a vLLM as the configuration says. Starts nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from gateway.fleet.config import LoraConfig, ServeConfig, SpeculativeConfig
from gateway.providers.config import ModelConfig, VllmProvider

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Those that `--max-lora-rank` takes."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NotServable(Exception):
    """vLLM cannot be started so; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """What starts one replica."""

    address: str  # its base URL
    env: dict[str, str]  # a value that starts with `$` is a variable's, to be there already
    argv: tuple[str, ...]
    notes: tuple[str, ...]  # what whoever starts it has to know

    def shell(self) -> str:
        """As it is typed."""
        lines = [f"{name}={_quoted(value)}" for name, value in self.env.items()]
        lines.append(shlex.join(self.argv[:3]))
        line = ""
        for argument in self.argv[3:]:
            if argument.startswith("--") and line:
                lines.append(line)
                line = ""
            line += (" " if line else "  ") + shlex.quote(argument)
        return " \\\n".join([*lines, line] if line else lines)


def commands(
    provider: VllmProvider, model: ModelConfig, key: str | None, ranks: Iterable[int]
) -> list[Command]:
    """One for each replica. `key` is the variable that holds its key, where it has one; `ranks`
    those of the adapters that are registered for it. Raises NotServable."""
    lora = provider.lora if provider.base is model else None
    rank = fitting(max(ranks, default=lora.max_rank)) if lora else None
    env = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"} if lora else {}
    if key:
        env["VLLM_API_KEY"] = f"${key}"
    found = []
    for address in provider.addresses:
        url = urlsplit(address)
        argv = ["vllm", "serve", provider.serve.weights or model.name]
        argv += ["--served-model-name", model.name]
        argv += ["--host", url.hostname] if url.hostname in LOOPBACK else []
        argv += ["--port", str(url.port or (443 if url.scheme == "https" else 80))]
        argv += ["--max-model-len", str(model.window), *_engine(provider.serve)]
        if lora and rank:
            argv += _adapters(lora, rank)
        argv += provider.serve.flags
        notes = tuple(_notes(provider, lora, rank, key, url.hostname))
        found.append(Command(address, env, tuple(argv), notes))
    return found


def fitting(rank: int) -> int:
    """The smallest rank that vLLM can be started with for adapters of this one."""
    found = next((allowed for allowed in RANKS if allowed >= rank), None)
    if found is None:
        raise NotServable(f"vLLM serves ranks up to {RANKS[-1]}, and {rank} is wanted.")
    return found


def _engine(serve: ServeConfig) -> Iterator[str]:
    yield from ("--gpu-memory-utilization", str(serve.gpu_memory))
    if serve.tensor_parallel > 1:
        yield from ("--tensor-parallel-size", str(serve.tensor_parallel))
    yield "--enable-prefix-caching" if serve.prefix_caching else "--no-enable-prefix-caching"
    yield from ("--scheduling-policy", serve.scheduling)
    if serve.quantization:
        yield from ("--quantization", serve.quantization)
    if serve.speculative:
        yield from ("--speculative-config", _speculative(serve.speculative))


def _speculative(wanted: SpeculativeConfig) -> str:
    told = {"method": wanted.method, "num_speculative_tokens": wanted.tokens}
    if wanted.method == "ngram":
        told["prompt_lookup_max"] = wanted.tokens
    return orjson.dumps(told | ({"model": wanted.model} if wanted.model else {})).decode()


def _adapters(lora: LoraConfig, rank: int) -> Iterator[str]:
    yield "--enable-lora"
    yield from ("--max-loras", str(lora.slots))
    yield from ("--max-cpu-loras", str(lora.cpu_slots))
    yield from ("--max-lora-rank", str(rank))
    yield from ("--max-num-seqs", str(lora.seats))
    # With more than one, its default with data parallelism, vLLM loads nothing while it runs.
    yield from ("--api-server-count", "1")


def _notes(
    provider: VllmProvider,
    lora: LoraConfig | None,
    rank: int | None,
    key: str | None,
    host: str | None,
) -> Iterator[str]:
    if lora and rank and rank < lora.max_rank:
        yield (
            f"Set `lora.max_rank = {rank}` with it: with {lora.max_rank} an adapter may be "
            "registered that this engine refuses."
        )
    if lora and not key and host not in LOOPBACK:
        yield "It has no `api_key`: whoever reaches it can have any folder of it loaded."
    if provider.serve.quantization == "bitsandbytes":
        yield "vLLM has bitsandbytes in a package of its own since 0.27.2: vllm-bnb-plugin."


def _quoted(value: str) -> str:
    return f'"{value}"' if value.startswith("$") else shlex.quote(value)
