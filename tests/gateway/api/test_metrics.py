"""GET /metrics: who may read it, and that it tells what happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.config import parse
from tests.serving import Served, serving

CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
[providers.down]
kind = "simulated"
fault = "error"
[models.mine]
use = ["down/simulated"]
[dispatch]
retries = 0
"""
ASK = {
    "model": "sim/simulated",
    "messages": [{"role": "user", "content": "Hello"}],
    "moorline": {"grounding": "off"},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(parse(CONFIG.format(data=tmp_path_factory.mktemp("data")))) as served:
        yield served


def test_without_keys_this_machine_may_read_what_happened(served: Served) -> None:
    for stream in (True, False):
        httpx.post(f"{served.url}/v1/chat/completions", json=ASK | {"stream": stream})
    httpx.post(f"{served.url}/v1/chat/completions", json=ASK | {"model": "none"})
    response = httpx.get(f"{served.url}/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = response.text.splitlines()
    labels = 'model="{}",door="chat",status="{}",cache="{}"'
    assert f"moorline_requests_total{{{labels.format('sim/simulated', 200, 'off')}}} 2" in told
    assert f"moorline_requests_total{{{labels.format('other', 404, 'off')}}} 1" in told
    assert 'moorline_upstream_calls_total{model="sim/simulated",outcome="ok"} 2' in told
    assert "moorline_overhead_seconds_count 3" in told
    assert "moorline_in_flight 0" in told
    assert "moorline_ledger_dropped_total 0" in told
    assert any(line.startswith('moorline_build_info{version="') for line in told)


@pytest.mark.parametrize(
    ("path", "body", "labels"),
    [
        ("messages", {"model": "sim/simulated"}, 'model="other",door="messages",status="400"'),
        ("responses", {"input": 1}, 'model="other",door="responses",status="400"'),
        ("embeddings", {"input": 1}, 'model="other",door="embeddings",status="400"'),
        ("chat/completions", ASK | {"model": "mine"}, 'model="mine",door="chat",status="503"'),
    ],
    ids=["messages", "responses", "embeddings", "alias"],
)
def test_what_failed_is_told_by_its_door_and_by_the_name_that_was_asked_for(
    served: Served, path: str, body: object, labels: str
) -> None:
    httpx.post(f"{served.url}/v1/{path}", json=body)
    assert f"moorline_requests_total{{{labels}" in httpx.get(f"{served.url}/metrics").text


@pytest.mark.parametrize(("opened", "stranger"), [("false", 401), ("true", 200)])
def test_where_there_are_keys_an_admins_is_asked_for_unless_it_is_open(
    tmp_path: Path, opened: str, stranger: int
) -> None:
    config = parse(f'data = "{tmp_path}"\n[metrics]\nopen = {opened}\n')
    with serving(config) as served:
        accounts = served.app.state.gateway.accounts
        admin = accounts.store.create("ops", admin=True).secret
        user = accounts.store.create("user").secret
        accounts.refresh()
        url = f"{served.url}/metrics"
        assert httpx.get(url).status_code == stranger
        bearer = {"authorization": f"Bearer {admin}"}
        assert httpx.get(url, headers=bearer).status_code == 200
        bearer = {"authorization": f"Bearer {user}"}
        assert httpx.get(url, headers=bearer).status_code == (200 if stranger == 200 else 403)
