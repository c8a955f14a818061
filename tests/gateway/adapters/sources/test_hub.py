"""Against a small server on loopback that answers as the hub does."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.content import digest
from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.targets import source
from tests.gateway.adapters.made import adapter
from tests.retrieval.sources.web import Site, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = "acme/support"
TOKEN = "hf_secret"


@dataclass
class Hub:
    """A hub with one repository."""

    site: Site
    folder: Path
    config: AdapterSourcesConfig
    waited: list[float] = field(default_factory=list)

    def list(self, *names: str, revision: str = "main", **changed: Any) -> None:
        """Say that the repository holds these files."""
        siblings = [announced(self.folder / name, name) | changed for name in names]
        self.site.put(
            f"/api/models/{NAME}/revision/{revision}?blobs=true",
            json.dumps({"sha": COMMIT, "siblings": siblings}),
        )

    def path(self, name: str) -> str:
        return f"/{NAME}/resolve/{COMMIT}/{name}"

    def put(self, name: str) -> None:
        self.site.put(self.path(name), (self.folder / name).read_bytes())

    def fetch(self, room: Path, name: str = NAME, **changed: Any) -> str:
        config = self.config.model_copy(update=changed)
        return source(f"hub:{name}", config, self.waited.append).fetch(room)

    def refused(self, room: Path, name: str = NAME, **changed: Any) -> tuple[str, str]:
        with pytest.raises(BadAdapter) as error:
            self.fetch(room, name, **changed)
        assert TOKEN not in error.value.reason
        return error.value.kind, error.value.reason


def announced(path: Path, name: str) -> dict[str, Any]:
    data = path.read_bytes() if path.is_file() else b""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    said: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
    if name.endswith(".safetensors"):
        sha256 = hashlib.sha256(data).hexdigest()
        said["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
    return said


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving() as site:
        config = AdapterSourcesConfig.model_validate(
            {
                "hub_url": site.url,
                "hub_token": TOKEN,
                "hub_cache": tmp_path / "cache",
                "offline": False,
                "private_networks": ["127.0.0.1/32"],
            }
        )
        made = Hub(site, adapter(tmp_path / "a"), config)
        made.list(CONFIG, WEIGHTS, "README.md", "optimizer.pt")
        made.put(CONFIG)
        made.put(WEIGHTS)
        yield made


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def test_fetches_what_engines_read_at_one_commit(hub: Hub, room: Path) -> None:
    assert hub.fetch(room) == f"hub:{NAME}@{COMMIT}"
    assert digest(room) == digest(hub.folder)
    assert sorted(os.listdir(room)) == [CONFIG, WEIGHTS]
    assert hub.site.paths()[1:] == [hub.path(CONFIG), hub.path(WEIGHTS)]


def test_a_revision_may_be_a_branch(hub: Hub, room: Path) -> None:
    hub.list(CONFIG, WEIGHTS, revision="team%2Fnew")
    assert hub.fetch(room, f"{NAME}@team/new") == f"hub:{NAME}@{COMMIT}"


def test_an_adapter_may_lie_in_a_folder(hub: Hub, room: Path) -> None:
    adapter(hub.folder / "v2" / "best", lora_alpha=32)
    names = [f"v2/best/{name}" for name in (CONFIG, WEIGHTS)]
    hub.list(*names)
    for name in names:
        hub.put(name)
    assert hub.fetch(room, f"{NAME}/v2/best") == f"hub:{NAME}/v2/best@{COMMIT}"
    assert digest(room) == digest(hub.folder / "v2" / "best")
    assert "is the folder 'v2/best' in it meant?" in hub.refused(room)[1]


def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: Hub, room: Path) -> None:
    with serving() as elsewhere:
        url = elsewhere.put("/signed", (hub.folder / WEIGHTS).read_bytes())
        hub.site.put(hub.path(WEIGHTS), status=302, Location=url)
        hub.fetch(room)
        assert {headers["authorization"] for _, _, headers in hub.site.asked} == {f"Bearer {TOKEN}"}
        assert "authorization" not in elsewhere.asked[0][2]


def broken_off(data: bytes, at: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """A page that breaks off once, and goes on where it is asked to."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:] if start else data[:at])

    return answer


def test_goes_on_where_it_broke_off(hub: Hub, room: Path) -> None:
    hub.site.pages[hub.path(WEIGHTS)] = broken_off((hub.folder / WEIGHTS).read_bytes(), 9_000)
    hub.fetch(room)
    assert digest(room) == digest(hub.folder)
    assert hub.site.asked[-1][2]["range"] == "bytes=9000-"
    assert len(hub.waited) == 1


def test_begins_anew_where_the_server_cannot_go_on(hub: Hub, room: Path) -> None:
    data = (hub.folder / WEIGHTS).read_bytes()
    broken = [broken_off(data, 9_000)]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if broken:
            broken.pop()(handler)
            return
        del handler.headers["Range"]
        broken_off(data, len(data))(handler)

    hub.site.pages[hub.path(WEIGHTS)] = answer
    hub.fetch(room)
    assert digest(room) == digest(hub.folder)


def test_a_hub_that_is_away_is_asked_again_and_then_said_to_be(hub: Hub, room: Path) -> None:
    hub.site.put(hub.path(WEIGHTS), status=500)
    with pytest.raises(SourceAway, match=f"{WEIGHTS}: the server answers 500"):
        hub.fetch(room, tries=3)
    assert hub.site.paths().count(hub.path(WEIGHTS)) == 3
    assert len(hub.waited) == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "or it is private"), (403, "may not read it"), (404, "no such repository or revision")],
)
def test_what_is_not_there_is_said_at_once(hub: Hub, room: Path, status: int, reason: str) -> None:
    hub.site.put(f"/api/models/{NAME}/revision/main?blobs=true", status=status)
    kind, said = hub.refused(room)
    assert kind == "not_found"
    assert reason in said
    assert (len(hub.site.asked), hub.waited) == (1, [])


def test_pickled_weights_are_not_even_fetched(hub: Hub, room: Path) -> None:
    hub.list(CONFIG, "adapter_model.bin")
    assert hub.refused(room)[0] == "insecure"
    assert len(hub.site.asked) == 1


def test_what_is_too_large_is_not_even_asked_for(hub: Hub, room: Path) -> None:
    assert hub.refused(room, max_bytes=1_000)[0] == "invalid"
    assert hub.path(WEIGHTS) not in hub.site.paths()


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_what_is_not_as_announced_is_refused(hub: Hub, room: Path, name: str) -> None:
    data = bytearray((hub.folder / name).read_bytes())
    data[-2] ^= 1
    hub.site.put(hub.path(name), bytes(data))
    assert hub.refused(room) == ("corrupt", f"{name} is not what was announced")


def test_more_than_was_announced_is_not_written(hub: Hub, room: Path) -> None:
    hub.site.put(hub.path(CONFIG), b"x" * 100_000)
    assert hub.refused(room)[0] == "invalid"
    assert (room / CONFIG).stat().st_size < 100_000


def test_a_hub_inside_is_not_asked_unless_that_is_allowed(hub: Hub, room: Path) -> None:
    kind, reason = hub.refused(room, private_networks=())
    assert kind == "insecure"
    assert reason.endswith("see adapters.sources.private_networks")
    assert hub.site.asked == []


@pytest.mark.parametrize(
    "said", ["[]", "{}", '{"sha": 1, "siblings": [1]}', '{"sha": "x", "siblings": []}', "<html>"]
)
def test_a_hub_that_answers_otherwise_is_away(hub: Hub, room: Path, said: str) -> None:
    hub.site.put(f"/api/models/{NAME}/revision/main?blobs=true", said)
    with pytest.raises(SourceAway):
        hub.fetch(room)


@pytest.mark.parametrize(
    "name", ["acme", "../etc/passwd", "acme/../x", "a/b@../c", "a/b c", "a//b"]
)
def test_a_name_that_leads_elsewhere_is_refused(hub: Hub, room: Path, name: str) -> None:
    assert hub.refused(room, name)[0] == "invalid"
    assert hub.site.asked == []


def cached(hub: Hub, name: str) -> Path:
    """Put a file into the cache as the hub's own tools do: a link to a blob."""
    repository = Path(str(hub.config.hub_cache)) / "models--acme--support"
    for folder in ("refs", "blobs", f"snapshots/{COMMIT}"):
        (repository / folder).mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs" / name).write_bytes((hub.folder / name).read_bytes())
    (repository / "snapshots" / COMMIT / name).symlink_to(f"../../blobs/{name}")
    return repository / "blobs" / name


def test_offline_what_the_cache_holds_is_all_there_is(hub: Hub, room: Path) -> None:
    cached(hub, CONFIG)
    cached(hub, WEIGHTS)
    assert hub.fetch(room, offline=True) == f"hub:{NAME}@{COMMIT}"
    assert digest(room) == digest(hub.folder)
    assert hub.refused(room, f"{NAME}@v9", offline=True)[0] == "not_found"
    assert hub.site.asked == []


def test_the_environment_may_say_that_it_is_offline(
    hub: Hub, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.refused(room, offline=None)[0] == "not_found"
    assert hub.site.asked == []


def test_what_the_cache_holds_does_not_come_again(hub: Hub, room: Path) -> None:
    cached(hub, WEIGHTS)
    hub.fetch(room)
    assert hub.path(WEIGHTS) not in hub.site.paths()
    assert digest(room) == digest(hub.folder)


def test_what_is_damaged_in_the_cache_comes_again(hub: Hub, room: Path) -> None:
    cached(hub, WEIGHTS).write_bytes(b"damaged")
    hub.fetch(room)
    assert hub.path(WEIGHTS) in hub.site.paths()
    assert digest(room) == digest(hub.folder)
