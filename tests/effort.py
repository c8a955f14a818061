"""What a piece of work costs, told so that a busy machine does not change the answer."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """This thread's processor time for the work, the best of several goes.

    Neither other threads, nor other processes, nor a collection of the garbage that earlier tests
    left behind is counted.
    """
    best = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(times):
            began = time.thread_time()
            work()
            best = min(best, time.thread_time() - began)
    finally:
        if collecting:
            gc.enable()
    return best
