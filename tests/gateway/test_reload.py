"""A changed configuration is swapped in, or refused; requests under way finish as they began."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Config, load, parse
from gateway.pipeline import Gateway
from gateway.reload import Refused, Source, current

pytestmark = pytest.mark.anyio

PROVIDERS = """
data = "{data}"
[providers.one]
kind = "simulated"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse(PROVIDERS.format(data=tmp_path / "data"))


def with_model(config: Config, name: str) -> Config:
    aliases = parse(f'[models.{name}]\nuse = ["one/simulated"]').models
    return config.model_copy(update={"models": aliases})


async def test_a_change_is_in_force_for_the_next_request(config: Config) -> None:
    seen: list[Gateway] = []
    async with current(config, None, seen.append) as now:
        await now.use(with_model(config, "mine"))
        assert "mine" not in seen[0].router.catalogue.names()
        assert "mine" in seen[1].router.catalogue.names()
        assert seen[1].encoder is seen[0].encoder


async def test_what_is_kept_open_is_refused_by_name(config: Config) -> None:
    seen: list[Gateway] = []
    other = config.model_copy(update={"data": Path("elsewhere")})
    async with current(config, None, seen.append) as now:
        with pytest.raises(Refused, match=r"\[data\]"):
            await now.use(other)
    assert len(seen) == 1


async def test_an_invalid_file_leaves_the_old_one_in_force(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "moorline.toml"
    text = PROVIDERS.format(data=tmp_path / "data")
    file.write_text(text)
    seen: list[Gateway] = []
    source = Source(file, lambda: load(file))
    async with current(config, source, seen.append):
        await asyncio.sleep(0)
        file.write_text(text + "oops = 1\n")
        await _until(lambda: "not taken" in caplog.text)
        assert len(seen) == 1
        file.write_bytes(b"# \xff is no UTF-8")
        await _until(lambda: "is not UTF-8" in caplog.text)
        file.write_text(text + '[models.mine]\nuse = ["one/simulated"]\n')
        await _until(lambda: len(seen) == 2)
        assert "mine" in seen[1].router.catalogue.names()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110, what is waited for is a file's time stamp
            await asyncio.sleep(0.05)
