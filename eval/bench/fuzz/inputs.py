"""The inputs of a run: the number of each says what it is, on every machine and each time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from eval.bench.fuzz.made import documents
from eval.bench.fuzz.mutations import mutated
from retrieval.parsing.formats import FORMATS, known

_LARGEST = 300_000  # bytes of a document to start from
_MOST = 40  # of a format


@dataclass(frozen=True, slots=True)
class Input:
    """A mutated document."""

    number: int
    format: str
    name: str  # of the document that it was made from
    data: bytes


class Inputs:
    """All inputs that come of some documents and a seed."""

    def __init__(
        self, folders: Sequence[Path], seed: int, only: Sequence[str] = (), canary: str = ""
    ) -> None:
        """`only` names formats; `canary` is a file that no parser may open."""
        found = [(path.name, path.read_bytes()) for path in _files(folders)]
        self._documents: dict[str, list[tuple[str, bytes]]] = {}
        for name, data in [*sorted(documents().items()), *found]:
            form = _format(name)
            kept = self._documents.setdefault(form, [])
            picture = form.endswith(" image")  # read by an extra's models, not by a parser
            if len(kept) < _MOST and not picture and (not only or form in only):
                kept.append((name, data))
        self._documents = {form: kept for form, kept in self._documents.items() if kept}
        self.formats = sorted(self._documents)
        self._seed = seed
        self._canary = canary
        digest = hashlib.sha256()
        for form in self.formats:
            for name, data in self._documents[form]:
                digest.update(f"{form}/{name}/{len(data)}/".encode() + data)
        self.digest = f"{digest.hexdigest()[:16]}-{seed}"
        """Changes with what the inputs are."""

    def __getitem__(self, number: int) -> Input:
        chance = Random(f"{self._seed}/{number}")
        form = self.formats[number % len(self.formats)]
        documents = self._documents[form]
        name, data = chance.choice(documents)
        others = [other for _, other in documents]
        return Input(number, form, name, mutated(name, data, chance, others, self._canary))

    def documents(self) -> list[tuple[str, bytes]]:
        """The documents themselves, as they are."""
        return [document for documents in self._documents.values() for document in documents]

    def one_of_each(self) -> list[tuple[str, bytes]]:
        """The smallest document of each suffix."""
        found = sorted(self.documents(), key=lambda document: -len(document[1]))
        return list({Path(name).suffix.lower(): (name, data) for name, data in found}.values())


def _files(folders: Sequence[Path]) -> list[Path]:
    """Files to start from, those that differ most in their names spread over the allowance."""
    files = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and known(path) and path.stat().st_size <= _LARGEST
    ]
    return sorted(files, key=lambda path: hashlib.sha256(path.name.encode()).digest())


def _format(name: str) -> str:
    form = FORMATS[Path(name).suffix.lower()].name
    return "code" if form.endswith(" code") else form
