"""Without keys only this machine is answered, and nobody may send more than the limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from pydantic import ValidationError

from gateway.api.guard import refuse_depth
from gateway.config import ServerConfig, parse
from gateway.errors import InvalidRequest
from tests.serving import Served, serving

CONFIG = """
data = "{data}"
[server]
max_body_bytes = 4096
[providers.sim]
kind = "simulated"
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


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/control/ingest"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example.com"},
        {"origin": "https://evil.example.com"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_site_is_refused(
    served: Served, path: str, headers: dict[str, str]
) -> None:
    response = httpx.post(served.url + path, json=ASK, headers=headers)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "insufficient_permissions"


@pytest.mark.parametrize(
    "headers",
    [{}, {"host": "localhost:8080"}, {"host": "[::1]"}, {"origin": "http://127.0.0.1:8080"}],
)
def test_this_machine_is_answered(served: Served, headers: dict[str, str]) -> None:
    response = httpx.post(f"{served.url}/v1/chat/completions", json=ASK, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/control/ingest"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_refused_everywhere(
    served: Served, path: str, chunked: bool
) -> None:
    body = b'{"input": "' + b"x" * 8192 + b'"}'
    content = iter([body[:5000], body[5000:]]) if chunked else body
    response = httpx.post(
        served.url + path, content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + b"[" * 7 + b"]" * 7 + b"}",  # eight levels
        b'{"a":[' + b",".join([b"[]"] * 400) + b"]}",
        b'{"a":"' + b"[" * 500 + b'"}',
        b'{"a":"\\\\","b":"\\"' + b"[" * 500 + b'\\\\\\""}',
        b'{"a":' + b"]" * 500,
    ],
    ids=["deep enough", "wide", "text", "escapes", "no JSON"],
)
def test_what_only_looks_deep_is_left_to_its_reader(body: bytes) -> None:
    refuse_depth(body, 8)


@pytest.mark.parametrize("levels", [9, 500, 5000])
@pytest.mark.parametrize("nested", [b'{"a":', b"["])
def test_what_is_too_deep_is_refused(levels: int, nested: bytes) -> None:
    ends = b"}" if nested[:1] == b"{" else b"]"
    with pytest.raises(InvalidRequest, match=r"server\.max_depth"):
        refuse_depth(nested * levels + b"1" + ends * levels, 8)


@pytest.mark.parametrize("nested", [(b'{"a":', b"}"), (b"[", b"]")])
def test_what_is_as_deep_as_can_be_allowed_can_be_sent_on(nested: tuple[bytes, bytes]) -> None:
    deepest = ServerConfig(max_depth=250).max_depth
    body = nested[0] * deepest + b"1" + nested[1] * deepest
    refuse_depth(body, deepest)
    assert orjson.dumps(orjson.loads(body)) == body
    with pytest.raises(ValidationError):
        ServerConfig(max_depth=deepest + 1)


def test_another_method_is_told_which_is_allowed(served: Served) -> None:
    response = httpx.get(f"{served.url}/v1/chat/completions")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_another_method_is_told_what_a_plain_route_takes(served: Served) -> None:
    response = httpx.post(f"{served.url}/v1/models")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_embeddings_are_rows_of_the_ledger_and_too_long_ones_are_told(
    served: Served, tmp_path: Path
) -> None:
    made = httpx.post(f"{served.url}/v1/embeddings", json={"input": "a boat"})
    assert made.json()["usage"]["prompt_tokens"] > 0
    long = httpx.post(f"{served.url}/v1/embeddings", json={"input": ["ok", "word " * 300]})
    assert (long.status_code, long.json()["error"]["param"]) == (400, "input")
    assert "Input 1 has" in long.json()["error"]["message"]
    ledger = served.app.state.gateway.accounting
    ledger.ledger.flush()
    assert any(row.provider == "moorline" for row in ledger.queries.traces(10).requests)
