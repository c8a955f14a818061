"""The files that are an adapter, how they are opened, and the digest that they are known by.

The digest is what `sha256sum adapter_config.json adapter_model.safetensors | sha256sum` says in
the adapter's folder. What a file holds is not known here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path

from gateway.adapters.failures import BadAdapter, shown

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
KEPT = (CONFIG, WEIGHTS)
"""What engines read. Anything else that lies there is left where it is."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself: run `git lfs pull`",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document, as servers send for errors",
}


def opened(folder: Path, name: str) -> BufferedReader:
    """One of an adapter's files: a plain one, no link, no pipe. Raises BadAdapter."""
    try:
        # Without O_NONBLOCK a pipe would be waited for.
        number = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadAdapter("not_found", f"there is no {name}") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadAdapter("insecure", f"{name} is a link") from error
        raise BadAdapter("not_found", f"{name} cannot be read: {error.strerror}") from error
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise BadAdapter("insecure", f"{name} is no plain file")
    return file


def complete(names: Collection[str]) -> None:
    """Look whether a folder of these files can be an adapter. Raises BadAdapter."""
    if CONFIG not in names:
        raise BadAdapter("not_found", f"there is no {CONFIG}{_deeper(names)}")
    if WEIGHTS in names:
        return
    if any(name.startswith("adapter_model") and name.endswith(_PICKLES) for name in names):
        raise BadAdapter(
            "insecure",
            "its weights are pickled, and reading those may run code: save them as safetensors",
        )
    if any(name.startswith("adapter_model-0") or name == f"{WEIGHTS}.index.json" for name in names):
        raise BadAdapter(
            "incompatible", f"its weights are split up; engines read one file, {WEIGHTS}"
        )
    raise BadAdapter("not_found", f"there is no {WEIGHTS}")


def digest(folder: Path) -> str:
    """sha256 over names and contents. Raises BadAdapter."""
    whole = hashlib.sha256()
    for name in KEPT:
        with opened(folder, name) as file:
            whole.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n".encode())
    return whole.hexdigest()


def mistaken(beginning: bytes) -> str:
    """What a file is that was meant to be another, by its first bytes; empty where nobody knows."""
    begun = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((what for sign, what in _OTHERS.items() if begun.startswith(sign)), "")


def _deeper(names: Collection[str]) -> str:
    """An adapter that has a name of its own is saved one folder further down."""
    below = sorted(name for name in names if name.endswith(f"/{CONFIG}"))
    return f"; is the folder {shown(below[0].rpartition('/')[0])} in it meant?" if below else ""
