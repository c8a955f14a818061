"""One gateway a data folder, and commands that find it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.control import FILE, AlreadyRunning, announced, running


def test_a_command_finds_the_gateway_that_runs(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with announced(tmp_path, "http://127.0.0.1:1") as token:
        found = running(tmp_path)
        assert found is not None
        assert (found.url, found.token) == ("http://127.0.0.1:1", token)
    assert running(tmp_path) is None


def test_only_its_own_user_can_read_the_token(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1"):
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_second_gateway_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1") as token:
        with pytest.raises(AlreadyRunning), announced(tmp_path, "http://127.0.0.1:2"):
            pass
        found = running(tmp_path)
        assert found is not None
        assert found.token == token


def test_what_a_killed_gateway_left_behind_is_no_gateway(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"url": "http://127.0.0.1:1", "token": "t", "pid": 1}')
    assert running(tmp_path) is None
