"""A folder is copied, and no more of it than an adapter is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.adapters.content import digest
from gateway.adapters.failures import BadAdapter
from gateway.adapters.sources.folder import Folder
from tests.gateway.adapters.made import adapter

PLENTY = 2**20


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def refused(folder: Path, room: Path, limit: int = PLENTY) -> tuple[str, str]:
    with pytest.raises(BadAdapter) as error:
        Folder(folder, limit).fetch(room)
    return error.value.kind, error.value.reason


def test_takes_what_engines_read(tmp_path: Path, room: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "README.md").write_text("What it is.")
    (folder / "adapter_model.bin").write_bytes(b"pickled")
    assert Folder(folder, PLENTY).fetch(room) == str(folder)
    assert sorted(os.listdir(room)) == ["adapter_config.json", "adapter_model.safetensors"]
    assert digest(room) == digest(folder)


def test_follows_links_that_stay_in_the_folder(tmp_path: Path, room: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "blob")
    (folder / "adapter_model.safetensors").symlink_to("blob")
    Folder(folder, PLENTY).fetch(room)
    assert not (room / "adapter_model.safetensors").is_symlink()


def test_refuses_links_that_leave_it(tmp_path: Path, room: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_config.json").symlink_to("/etc/passwd")
    assert refused(folder, room) == (
        "insecure",
        "adapter_config.json is a link that leads out of the folder",
    )


def test_refuses_what_is_too_large(tmp_path: Path, room: Path) -> None:
    kind, reason = refused(adapter(tmp_path / "a"), room, 1_000)
    assert kind == "invalid"
    assert reason.startswith("adapter_model.safetensors is too large")


def test_says_what_is_missing(tmp_path: Path, room: Path) -> None:
    assert refused(tmp_path / "none", room)[0] == "not_found"
    adapter(tmp_path / "above" / "support")
    assert refused(tmp_path / "above", room) == (
        "not_found",
        "there is no adapter_config.json; is the folder 'support' in it meant?",
    )
