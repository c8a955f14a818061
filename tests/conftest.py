"""What every test may lean on."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
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


IN_MEMORY, ROOM = Path("/dev/shm"), 4 << 30


def pytest_configure() -> None:
    """An index waits for the disk at every write, which on a disk is most of the suite's time. What
    tests write is gone after them, so it lies in memory where there is room; $TMPDIR says where
    else."""
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    if shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


REAL_TIME = ("cache", "contracts", "e2e", "faults", "gateway")
"""Folders whose tests speak over real sockets, to real servers, with deadlines of real time."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there before the first test stays for good. Looking through it again would take the
    garbage collector half a second in the middle of something that has less."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a busy machine what takes real time may be late once; what is broken is late each time."""
    here = Path(__file__).parent
    folders = tuple(here / folder for folder in REAL_TIME)
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=0.5))
