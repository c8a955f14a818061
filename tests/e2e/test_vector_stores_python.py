"""OpenAI's official Python client: it uploads, makes stores of what it uploaded, and searches."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types import VectorStore
from openai.types.vector_store_search_params import Filters

from tests.e2e.conftest import World

ROPE = (
    "rope.md",
    b"# Rope\n\n## Prices\n\nA metre of hemp rope costs 2.40 EUR.\n\n"
    b"## Care\n\nDry the rope before you stow it.\n",
)
NEAR = {"type": "near", "key": "a", "value": 1}
CHAIN = ("chain.txt", b"A metre of anchor chain weighs 3.1 kg and costs 18 EUR.")


@pytest.fixture
def client(world: World) -> OpenAI:
    return OpenAI(base_url=world.api, api_key="anything", max_retries=0, timeout=60)


@pytest.fixture
def store(client: OpenAI) -> VectorStore:
    return client.vector_stores.create(name="Chandlery", metadata={"owner": "purser"})


def upload(client: OpenAI, file: tuple[str, bytes] = ROPE) -> str:
    return client.files.create(file=file, purpose="assistants").id


def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def test_a_file_is_uploaded_listed_read_and_deleted(client: OpenAI) -> None:
    made = client.files.create(file=ROPE, purpose="assistants")
    assert (made.filename, made.bytes, made.status) == ("rope.md", len(ROPE[1]), "processed")
    assert client.files.retrieve(made.id) == made
    assert made in list(client.files.list(purpose="assistants"))
    assert client.files.content(made.id).read() == ROPE[1]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_bytes_are_never_shown_as_a_page_of_this_address(client: OpenAI, world: World) -> None:
    name = upload(client, ("x.html", b"<script>alert(1)</script>"))
    told = httpx.get(f"{world.api}/files/{name}/content").headers
    assert told["content-type"] == "application/octet-stream"
    assert told["content-disposition"].startswith("attachment")
    assert told["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("files", "data", "param"),
    [
        ({"file": ("a.txt", b"rope")}, {}, "purpose"),
        ({"file": ("a.txt", b"rope")}, {"purpose": "world domination"}, "purpose"),
        ({"file": ("a.txt", b"")}, {"purpose": "assistants"}, "file"),
        ({"other": ("a.txt", b"rope")}, {"purpose": "assistants"}, "file"),
    ],
)
def test_a_bad_upload_is_told_by_its_field(
    world: World, files: dict[str, tuple[str, bytes]], data: dict[str, str], param: str
) -> None:
    told = httpx.post(f"{world.api}/files", files=files, data=data)
    assert told.status_code == 400
    assert told.json()["error"]["param"] == param


def test_what_is_no_upload_is_refused(world: World) -> None:
    told = httpx.post(f"{world.api}/files", json={"file": "rope"})
    assert told.status_code == 400
    assert told.json()["error"]["type"] == "invalid_request_error"


def test_a_store_is_filled_and_searched(client: OpenAI, store: VectorStore) -> None:
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=ROPE, poll_interval_ms=20
    )
    assert (file.status, file.last_error) == ("completed", None)
    best = client.vector_stores.search(store.id, query="What does hemp rope cost?").data[0]
    assert best.file_id == file.id
    assert best.filename == "rope.md"
    assert "2.40 EUR" in best.content[0].text
    assert 0 < best.score <= 1
    told = client.vector_stores.retrieve(store.id)
    assert (told.status, told.file_counts.completed) == ("completed", 1)
    assert told.usage_bytes == len(ROPE[1])
    read = client.vector_stores.files.content(file.id, vector_store_id=store.id)
    assert "Dry the rope" in "".join(part.text or "" for part in read)


def test_a_question_without_end_is_refused(client: OpenAI, store: VectorStore) -> None:
    with pytest.raises(openai.BadRequestError, match="at most 10,000") as told:
        client.vector_stores.search(store.id, query="rope " * 5_000)
    assert told.value.param == "query"


def test_an_empty_store_holds_nothing(client: OpenAI, store: VectorStore) -> None:
    assert list(client.vector_stores.search(store.id, query="What does hemp rope cost?")) == []


def test_a_chat_answers_from_a_store(client: OpenAI, store: VectorStore, world: World) -> None:
    client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=ROPE, poll_interval_ms=20
    )
    answer = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "What does a metre of hemp rope cost?"}],
        extra_body={"moorline": {"collection": store.id}},
    )
    assert "2.40 EUR" in (answer.choices[0].message.content or "")


def test_a_batch_is_brought_in_with_attributes_to_filter_by(
    client: OpenAI, store: VectorStore
) -> None:
    rope, chain = upload(client), upload(client, CHAIN)
    batch = client.vector_stores.file_batches.create(
        store.id,
        files=[
            {"file_id": rope, "attributes": {"shelf": "A", "year": 2023}},
            {"file_id": chain, "attributes": {"shelf": "B", "year": 2025}},
        ],
    )
    done = client.vector_stores.file_batches.poll(
        batch.id, vector_store_id=store.id, poll_interval_ms=20
    )
    assert (done.status, done.file_counts.completed) == ("completed", 2)

    def found(filters: Filters) -> set[str]:
        hits = client.vector_stores.search(
            store.id, query="What does a metre cost?", filters=filters
        )
        return {hit.file_id for hit in hits}

    assert found({"type": "eq", "key": "shelf", "value": "B"}) == {chain}
    assert found({"type": "lt", "key": "year", "value": 2025}) == {rope}
    assert found(
        {
            "type": "or",
            "filters": [
                {"type": "eq", "key": "shelf", "value": "A"},
                {"type": "gte", "key": "year", "value": 2025},
            ],
        }
    ) == {rope, chain}
    client.vector_stores.files.update(
        chain, vector_store_id=store.id, attributes={"shelf": "A", "year": 2025}
    )
    until(lambda: found({"type": "eq", "key": "shelf", "value": "A"}) == {rope, chain})
    hit = client.vector_stores.search(store.id, query="chain").data[0]
    assert hit.attributes == {"shelf": "A", "year": 2025}


def test_a_file_that_cannot_be_read_says_why(client: OpenAI, store: VectorStore) -> None:
    broken = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.pdf", b"no pdf at all"), poll_interval_ms=20
    )
    assert broken.status == "failed"
    assert broken.last_error is not None
    assert "not a PDF" in broken.last_error.message
    unknown = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.exe", b"MZ"), poll_interval_ms=20
    )
    assert unknown.last_error is not None
    assert unknown.last_error.code == "unsupported_file"
    told = client.vector_stores.retrieve(store.id)
    assert (told.status, told.file_counts.failed) == ("completed", 2)


def test_attributes_that_mean_something_have_to_be_understood(
    client: OpenAI, store: VectorStore
) -> None:
    file = client.vector_stores.files.create_and_poll(
        upload(client),
        vector_store_id=store.id,
        attributes={"valid_until": "soon"},
        poll_interval_ms=20,
    )
    assert file.status == "failed"
    assert file.last_error is not None
    assert "valid_until" in file.last_error.message


def test_what_is_taken_out_is_found_no_more(client: OpenAI, store: VectorStore) -> None:
    for file in (ROPE, CHAIN):
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=file, poll_interval_ms=20
        )

    def names() -> set[str]:
        return {hit.filename for hit in client.vector_stores.search(store.id, query="a metre")}

    assert names() == {"rope.md", "chain.txt"}
    files = {
        file.id: client.files.retrieve(file.id)
        for file in client.vector_stores.files.list(store.id)
    }
    (chain,) = (name for name, file in files.items() if file.filename == "chain.txt")
    (rope,) = files.keys() - {chain}
    client.vector_stores.files.delete(chain, vector_store_id=store.id)
    assert names() == {"rope.md"}
    client.files.delete(rope)
    assert names() == set()
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query="a metre")


def test_stores_are_listed_page_by_page_and_changed(client: OpenAI) -> None:
    made = [client.vector_stores.create(name=f"number {n}").id for n in range(5)]
    found = [each.id for each in client.vector_stores.list(limit=2)]
    assert [name for name in found if name in made] == made[::-1]
    changed = client.vector_stores.update(
        made[0], name="first", expires_after={"anchor": "last_active_at", "days": 3}
    )
    assert changed.name == "first"
    assert changed.expires_at == (changed.last_active_at or 0) + 3 * 86_400


def test_an_expired_store_is_neither_searched_nor_filled(client: OpenAI, world: World) -> None:
    made = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    ledger = world.served.app.state.gateway.config.data / "ledger.db"
    with closing(sqlite3.connect(ledger)) as database, database:
        database.execute("UPDATE vector_stores SET last_active_at = 0 WHERE id = ?", (made.id,))
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.search(made.id, query="rope")
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.files.create(made.id, file_id=upload(client))
    assert client.vector_stores.retrieve(made.id).status == "expired"


def test_a_static_strategy_is_heeded(client: OpenAI, store: VectorStore) -> None:
    text = " ".join(f"Knot {n} is tied in {n + 3} turns." for n in range(200)).encode()
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id,
        file=("knots.txt", text),
        chunking_strategy={
            "type": "static",
            "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20},
        },
        poll_interval_ms=20,
    )
    assert file.status == "completed"
    parts = list(client.vector_stores.files.content(file.id, vector_store_id=store.id))
    assert len(parts) > 15
    assert file.chunking_strategy is not None
    assert file.chunking_strategy.type == "static"


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("", {"name": "a", "colour": "red"}, 400, "colour"),
        ("", {"file_ids": ["file-none"]}, 404, "file_id"),
        ("/vs_none/search", {"query": "a"}, 404, "moorline.collection"),
        ("/handbook/search", {"query": "a", "max_num_results": 51}, 400, "max_num_results"),
        ("/handbook/search", {"query": "a", "filters": NEAR}, 400, "filters"),
        ("/handbook/search", {}, 400, "query"),
    ],
)
def test_a_bad_request_is_told_by_its_field(
    world: World, path: str, body: dict[str, object], status: int, param: str
) -> None:
    told = httpx.post(f"{world.api}/vector_stores{path}", json=body)
    assert (told.status_code, told.json()["error"]["param"]) == (status, param)


def test_texts_are_ordered_by_a_question(world: World) -> None:
    documents = [
        "Error E-417 means that the battery is too cold to charge.",
        {"text": "A return from the EU costs 4.90 EUR.", "shelf": "A"},
        "Dry the rope before you stow it.",
    ]
    body = {
        "model": "any",
        "query": "What does a return from the EU cost?",
        "documents": documents,
        "top_n": 2,
        "return_documents": True,
    }
    for path in ("/v1/rerank", "/v2/rerank"):
        told = httpx.post(f"{world.url}{path}", json=body).json()
        assert told["results"][0]["index"] == 1
        assert len(told["results"]) == 2
        assert told["results"][0]["document"] == documents[1]
        scores = [each["relevance_score"] for each in told["results"]]
        assert 1 >= scores[0] > scores[1] >= 0
        assert told["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": "a", "documents": []}, "documents"),
        ({"query": "", "documents": ["a"]}, "query"),
        ({"documents": ["a"]}, "query"),
        ({"query": "a", "documents": ["b"], "top_n": 0}, "top_n"),
    ],
)
def test_a_bad_rerank_is_told_by_its_field(
    world: World, body: dict[str, object], param: str
) -> None:
    told = httpx.post(f"{world.api}/rerank", json=body)
    assert told.status_code == 400
    assert told.json()["error"]["param"].startswith(param)
