"""What the operating system says of this process, as Prometheus' own clients name it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.metrics.exposition import Family, counter, gauge

_STARTED = time.time()
_STATM = Path("/proc/self/statm")
_FILES = Path("/proc/self/fd")


def families() -> Iterator[Family]:
    """Memory and files only where there is a /proc to ask."""
    yield counter("process_cpu_seconds_total", "CPU time used.", time.process_time())
    yield gauge("process_start_time_seconds", "When it was loaded.", _STARTED)
    if _STATM.exists():
        virtual, resident, *_ = (int(pages) for pages in _STATM.read_text().split())
        page = os.sysconf("SC_PAGE_SIZE")
        yield gauge("process_resident_memory_bytes", "Memory in use.", resident * page)
        yield gauge("process_virtual_memory_bytes", "Memory reserved.", virtual * page)
        yield gauge("process_open_fds", "Open files and sockets.", len(os.listdir(_FILES)))
