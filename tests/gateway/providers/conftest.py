"""Whatever speaks over a wire is tried on both event loops: production runs on uvloop."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param:
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    return "asyncio", {"use_uvloop": request.param}
