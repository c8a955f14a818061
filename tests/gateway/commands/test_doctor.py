"""The doctor finds what is wrong and says how to mend it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.bench.engine.server import Engine
from gateway.cli import main

BROKEN = """
data = "{data}"
[providers.far]
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
api_key = "sk-secret-of-far"
models = [{{ name = "m" }}]
[models.mine]
use = ["nobody/nothing"]
[cache.store]
kind = "redis"
url = "redis://127.0.0.1:1/0"
"""


def examined(tmp_path: Path, text: str) -> tuple[int, str]:
    file = tmp_path / "moorline.toml"
    file.write_text(text)
    result = CliRunner().invoke(main, ["doctor", "--config", str(file)])
    return result.exit_code, result.output


def test_a_healthy_house_is_well(tmp_path: Path) -> None:
    code, said = examined(tmp_path, f'data = "{tmp_path / "data"}"')
    assert (code, "BAD" in said) == (0, False), said
    assert "all-MiniLM-L6-v2" in said


def test_everything_that_is_wrong_is_named_with_a_remedy(tmp_path: Path) -> None:
    code, said = examined(tmp_path, BROKEN.format(data=tmp_path / "data"))
    assert code == 1
    for named in ("provider far", "nobody/nothing", "cache and limits"):
        assert named in said
    assert said.count("→") == 3
    assert "sk-secret-of-far" not in said


@pytest.mark.parametrize("text", ["[server]\nprot = 1", "not toml"])
def test_a_file_that_cannot_be_read_ends_it(tmp_path: Path, text: str) -> None:
    code, said = examined(tmp_path, text)
    assert (code, "BAD" in said) == (1, True)


FLEET = """
data = "{data}"
[providers.gpu]
kind = "vllm"
base_url = ["{one}", "{other}"]
models = [{{ name = "base" }}]
lora = {{}}
"""


@pytest.mark.anyio
@pytest.mark.parametrize("updating", [True, False])
async def test_a_replica_that_would_load_no_adapter_is_found(
    tmp_path: Path, updating: bool
) -> None:
    async with Engine() as one, Engine(updating=updating) as other:
        text = FLEET.format(data=tmp_path / "data", one=one.url, other=other.url)
        code, said = await asyncio.to_thread(examined, tmp_path, text)
    assert code == (0 if updating else 1), said
    assert (f"{other.url} loads no adapters while it runs" in said) is not updating
