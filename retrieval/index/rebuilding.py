"""A shard's graph and its compaction, made in a process of its own on a copy.

The engine holds the interpreter's lock for as long as it works on this, which may be minutes.
Run as a program: `python -m retrieval.index.rebuilding FOLDER SIZE [merge]`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from retrieval.index import shard
from retrieval.types import RetrievalError

_NICENESS = 10


async def rebuild(folder: Path, size: int, merge: bool) -> None:
    """Optimize the shard in this folder, which nobody may have open; its vectors have that size."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "retrieval.index.rebuilding",
        str(folder),
        str(size),
        *(["merge"] if merge else []),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RetrievalError(f"Rebuilding {folder.name} failed: {errors.decode()[-500:].strip()}")


def main() -> None:
    os.nice(_NICENESS)
    folder = Path(sys.argv[1])
    shard.rebuild(folder, int(sys.argv[2]), "merge" in sys.argv[3:])
    synced(folder)


def synced(folder: Path) -> None:
    """What was copied lies on the disk before anyone relies on it."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)


if __name__ == "__main__":
    main()
