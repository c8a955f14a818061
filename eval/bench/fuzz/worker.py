"""The process in which inputs meet parsers: `python -m eval.bench.fuzz.worker`.

It is told a number a line and answers a line of JSON. Its memory is limited, and whatever Python
opens or connects to while a parser runs is written down. Time is for who watches it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import sysconfig
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.bench.fuzz.inputs import Input, Inputs
from eval.bench.fuzz.mutations import CANARY
from eval.bench.processes import ROOT
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import parse
from retrieval.types import Document

_FORBIDDEN = (
    "open", "os.", "shutil.", "socket.", "subprocess.", "urllib.", "ftplib.", "http.client.",
    "glob.", "tempfile.", "ctypes.dlopen", "webbrowser.",
)  # fmt: skip
_INSTALLED = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    | {str(ROOT / "retrieval")}
)
_STARVED = ("MemoryError", "bad_alloc", "out of memory", "Can't parse HTML", "unknown error")
"""How Python, C++, libxml2, lexbor and pdfium say that they got no memory."""
_HARMLESS = frozenset({"os.listdir", "os.scandir", "os.putenv"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an input."""

    number: int
    format: str
    outcome: str  # `read` and `refused` are right, all others wrong
    reason: str
    seconds: float  # of processor time
    size: int
    memory: int  # most that the process held while it did, in bytes


class Watch:
    """Writes down what a parser opens. A hook cannot be taken away again, so it is armed."""

    def __init__(self) -> None:
        self.armed = False
        self.seen: list[str] = []
        self._others: frozenset[int | None] = frozenset()
        sys.addaudithook(self._heard)

    def arm(self) -> None:
        """From now on; what other threads were doing before is none of the parser's business."""
        own = threading.get_ident()
        self._others = frozenset(t.ident for t in threading.enumerate() if t.ident != own)
        self.seen.clear()
        self.armed = True

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed or not event.startswith(_FORBIDDEN) or event in _HARMLESS:
            return
        if threading.get_ident() in self._others:
            return
        what = str(arguments[0]) if arguments else ""
        if event == "open" and os.path.normpath(what).startswith(_INSTALLED):
            return  # a module that is imported late, or what a library brings along
        self.seen.append(f"{event} {what}")


def judged(given: Input, watch: Watch) -> Verdict:
    """Parse one input."""
    started = time.process_time()
    watch.arm()
    try:
        document = parse(given.data, given.name, given.name)
        outcome, reason = "read", ""
    except Unreadable as error:
        document = None
        outcome, reason = "refused", error.reason
    except BaseException as error:
        document = None
        outcome, reason = "crash", f"{type(error).__name__}: {error}"
    finally:
        watch.armed = False
    if document is not None and (wrong := _malformed(document)):
        outcome, reason = "malformed", wrong
    if starved(reason):
        outcome = "memory"
    if watch.seen:
        outcome, reason = "opened", watch.seen[0]
    seconds = round(time.process_time() - started, 4)
    held = _most_held()
    return Verdict(
        given.number, given.format, outcome, reason[:300], seconds, len(given.data), held
    )


def starved(reason: str) -> bool:
    """Whether a reason says that there was no memory left."""
    return any(sign in reason for sign in _STARVED)


def _most_held() -> int:
    """The most bytes that this process held since this was last asked."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _malformed(document: Document) -> str:
    """What is wrong with a document: blocks out of order, text outside of them, half characters."""
    said = [document.title, document.text, *document.hidden, *map(str, document.meta.values())]
    try:
        for text in said:
            text.encode()
    except UnicodeEncodeError as error:
        return str(error)
    if any(CANARY in text for text in said):
        return "it holds what stands in another file"
    at = 0
    for block in document.blocks:
        if not at <= block.start < block.end <= len(document.text):
            return f"block {block} begins before {at}"
        if document.text[at : block.start].strip():
            return f"text between blocks at {at}"
        at = block.end
    return "text after the last block" if document.text[at:].strip() else ""


def limit(memory: int) -> None:
    """Limit what this process may still take to so many bytes more than it has."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (held + memory, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(inputs: Inputs, memory: int) -> None:
    watch = Watch()
    for name, data in inputs.one_of_each():  # so that everything is imported
        judged(Input(-1, "", name, data), watch)
    limit(memory)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(judged(inputs[int(line)], watch))), flush=True)


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    folders = [Path(folder) for folder in order["folders"]]
    serve(Inputs(folders, order["seed"], order["only"], order["canary"]), order["memory"])
