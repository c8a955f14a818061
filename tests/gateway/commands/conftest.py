"""Commands do the same whether a gateway holds the index or they open it themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import load
from gateway.control import announced
from tests.serving import serving


@pytest.fixture(params=["here", "by the gateway"], scope="module")
def anywhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A configuration's file, whose index is held by a gateway or by nobody."""
    folder = tmp_path_factory.mktemp("anywhere")
    file = folder / "moorline.toml"
    file.write_text(f"data = {json.dumps(str(folder / 'data'))}\n[grounding]\nmode = 'off'\n")
    if request.param == "here":
        yield file
        return
    with serving(load(file)) as served, announced(folder / "data", served.url) as token:
        served.app.state.control_token = token
        yield file
