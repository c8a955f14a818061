"""What every test may lean on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is a machine's business, and busy machines are slow.
settings.register_profile("moorline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("moorline")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def anyio_backend() -> str:
    """The gateway runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; a test that needs it is skipped where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the public data sets are not beside the checkout (../shared/data)")
    return SHARED_DATA
