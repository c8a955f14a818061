"""A Ray cluster on this machine, with the patience that a busy one needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "PYTHONPATH": str(ROOT),  # as if the code was installed on every node
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # a busy machine never comes to what is nicer than all else
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_gcs_server_request_timeout_seconds": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_agent_register_timeout_ms": "300000",
}
STORE = 80_000_000


def patient() -> None:
    """Ray reads its settings when it is imported. Where it is not installed the tests are skipped,
    and say why."""
    os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
    # A dozen processes that compile all of Ray, each anew, come too late for it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A cluster of so many nodes of one processor each."""
    patient()
    from ray.cluster_utils import Cluster

    found = Cluster()
    try:
        for number in range(nodes):
            head = {} if number else {"include_dashboard": False}
            small = {"object_store_memory": STORE, "include_log_monitor": False}
            found.add_node(num_cpus=1, **head, **small)
        yield found
    finally:
        found.shutdown()
