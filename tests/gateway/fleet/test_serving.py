"""The command that starts a vLLM: what it says of the configuration, and that vLLM reads it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from gateway.fleet.serving import Command, NotServable, commands, fitting
from gateway.providers.config import VllmProvider

PARSED = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
for argv in json.loads(sys.argv[1]):
    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(argv)
    validate_parsed_serve_args(parsed)
    print("parsed", json.dumps({name: getattr(parsed, name) for name in (
        "model_tag", "served_model_name", "port", "max_model_len", "enable_lora", "max_loras",
        "max_cpu_loras", "max_lora_rank", "api_server_count", "enable_prefix_caching",
        "scheduling_policy", "quantization", "speculative_config")}))
"""


def provider(**fields: Any) -> VllmProvider:
    return VllmProvider.model_validate(
        {
            "kind": "vllm",
            "base_url": "http://127.0.0.1:8000/v1",
            "models": [{"name": "qwen", "window": 4096}],
            "lora": {"slots": 4, "cpu_slots": 32, "max_rank": 64},
        }
        | fields
    )


def the_only(provider: VllmProvider, *ranks: int, key: str | None = None) -> Command:
    (found,) = commands(provider, provider.models[0], key, ranks)
    return found


def value(command: Command, flag: str) -> str:
    return command.argv[command.argv.index(flag) + 1]


@pytest.mark.parametrize(("rank", "allowed"), [(1, 1), (2, 8), (8, 8), (9, 16), (257, 320)])
def test_the_rank_is_the_smallest_that_vllm_takes(rank: int, allowed: int) -> None:
    assert fitting(rank) == allowed


def test_a_rank_that_vllm_does_not_serve_is_told() -> None:
    with pytest.raises(NotServable, match="512, and 513"):
        fitting(513)


def test_slots_are_those_of_the_configuration() -> None:
    found = the_only(provider())
    assert [value(found, flag) for flag in ("--max-loras", "--max-cpu-loras")] == ["4", "32"]
    assert value(found, "--max-num-seqs") == "256"
    assert value(found, "--max-lora-rank") == "64"


def test_the_rank_holds_what_is_registered_and_no_more() -> None:
    found = the_only(provider(), 4, 12)
    assert value(found, "--max-lora-rank") == "16"
    assert "Set `lora.max_rank = 16`" in found.notes[0]


def test_adapters_may_be_loaded_as_it_runs_by_one_server() -> None:
    found = the_only(provider())
    assert found.env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert value(found, "--api-server-count") == "1"


def test_without_adapters_nothing_is_said_of_them() -> None:
    found = the_only(provider(lora=None))
    assert not [argument for argument in found.argv if "lora" in argument]
    assert found.env == {}


def test_a_key_is_told_by_its_variable() -> None:
    found = the_only(provider(), key="ENGINE_KEY")
    assert found.env["VLLM_API_KEY"] == "$ENGINE_KEY"
    assert 'VLLM_API_KEY="$ENGINE_KEY" \\\n' in found.shell()


def test_who_can_be_reached_without_a_key_is_warned_of() -> None:
    found = the_only(provider(base_url="http://gpu-1:8000/v1"))
    assert any("no `api_key`" in note for note in found.notes)


def test_each_replica_has_its_own() -> None:
    several = provider(base_url=["http://a:8001/v1", "http://b:8002/v1"])
    found = commands(several, several.models[0], "KEY", ())
    assert [value(each, "--port") for each in found] == ["8001", "8002"]


def test_bitsandbytes_is_in_a_package_of_its_own() -> None:
    found = the_only(provider(serve={"quantization": "bitsandbytes"}))
    assert any("vllm-bnb-plugin" in note for note in found.notes)


def test_what_has_blanks_is_quoted_for_a_shell() -> None:
    found = the_only(provider(serve={"weights": "/models/my qwen", "flags": ["--seed", "7"]}))
    assert "'/models/my qwen'" in found.shell()
    assert found.shell().endswith("  --seed 7")


def test_a_draft_model_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="needs a `model`"):
        provider(serve={"speculative": {"method": "draft_model"}})


@pytest.mark.vllm
def test_vllm_understands_it() -> None:
    python = os.environ.get("MOORLINE_VLLM_PYTHON")
    if not python:
        pytest.skip("MOORLINE_VLLM_PYTHON does not name a Python that has vLLM")
    serve = {
        "weights": "/models/qwen",
        "scheduling": "priority",
        "speculative": {"method": "ngram", "tokens": 3},
    }
    methods = ["awq", "gptq", "bitsandbytes", "fp8", None]
    argv = [the_only(provider(serve=serve | {"quantization": each}), 12).argv for each in methods]
    told = subprocess.run(
        [python, "-c", PARSED, json.dumps([each[2:] for each in argv])],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in told.stdout.splitlines() if line.startswith("parsed ")]
    understood = {
        "model_tag": "/models/qwen",
        "served_model_name": ["qwen"],
        "port": 8000,
        "max_model_len": 4096,
        "enable_lora": True,
        "max_loras": 4,
        "max_cpu_loras": 32,
        "max_lora_rank": 16,
        "api_server_count": 1,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "speculative_config": {
            "method": "ngram",
            "num_speculative_tokens": 3,
            "prompt_lookup_max": 3,
        },
    }
    assert [json.loads(line.removeprefix("parsed ")) for line in lines] == [
        understood | {"quantization": each} for each in methods
    ]
