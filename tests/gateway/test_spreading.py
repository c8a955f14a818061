"""What is sent to the workers of a cluster, and what is found there."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway.config import parse, written
from gateway.spreading import MISSING, opened, spread
from retrieval.ingestion.engines.types import job
from retrieval.ingestion.engines.worker import Broken, Ready, Worker, code
from retrieval.types import RetrievalError

FILE = """
[retrieval.encoder]
kind = "http"
base_url = "http://127.0.0.1:1/v1"
model = "some-model"
size = 8
api_key = "env:ENCODER_KEY"

[retrieval.reranker]
kind = "http"
base_url = "http://127.0.0.1:1/v1"
model = "other-model"
api_key = "env:ENCODER_KEY"
"""
SECRET = "sk-never-to-be-sent"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENCODER_KEY", SECRET)
    path = tmp_path / "moorline.toml"
    path.write_text(FILE)
    return path


def section(file: Path) -> dict[str, Any]:
    return written(file, "retrieval", "encoder")


def test_a_secret_stays_a_reference_in_what_is_sent(file: Path) -> None:
    config = parse(FILE)
    assert config.retrieval.encoder.kind == "http"
    sent = pickle.dumps((job(config.retrieval, {}, None, ""), section(file)))
    assert SECRET.encode() not in sent
    assert b"env:ENCODER_KEY" in sent


def test_a_secret_that_is_written_out_is_not_sent_at_all(file: Path) -> None:
    plain = {**section(file), "api_key": SECRET}
    with pytest.raises(RetrievalError, match=r'`retrieval.encoder.api_key` as "env:NAME"'):
        spread(parse(FILE), plain)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named(file: Path) -> None:
    with pytest.raises(RetrievalError) as raised:
        spread(parse(FILE), section(file))
    assert str(raised.value) == MISSING
    assert "moorline[ray]" in MISSING


@pytest.mark.anyio
async def test_the_encoder_is_opened_with_what_the_machine_knows(file: Path) -> None:
    async with opened(section(file), cores=1) as encoder:
        assert (encoder.name, encoder.size) == ("some-model", 8)


@pytest.mark.anyio
async def test_a_machine_without_the_secret_says_which(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENCODER_KEY")

    def encoder() -> Any:
        return opened(section(file), cores=1)

    worker = Worker(job(parse("").retrieval, {}, None, ""), encoder)
    answer = await worker.ready()
    assert isinstance(answer, Broken)
    assert "ENCODER_KEY, which is not set" in answer.message


@pytest.mark.anyio
async def test_a_worker_tells_what_code_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    work = job(parse("").retrieval, {}, None, "")
    answer = await Worker(work, lambda: opened({"kind": "minilm"}, cores=1)).ready()
    assert isinstance(answer, Ready)
    assert answer.code == code(work)
    assert list((tmp_path / "moorline" / "models").glob("*.onnx"))
