"""Public questions with labels: pairs that ask the same or do not, and questions with intents.

Which of them may be learned from is decided here alone. Quora pairs: the last fifth is the test
part, and no pair is learned from that is linked to one of its questions through any chain of
pairs. CLINC: `test` is for reporting, and the pair model sees half of the intents of `train`, so
that the other half says how it does on intents that are new to it.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from eval.asked_again import Meant

Part: TypeAlias = Literal["pair", "forest", "calibration", "test"]
_TEST_SHARE = 0.2
_SHARES: dict[Part, float] = {"pair": 0.7, "forest": 0.17, "calibration": 0.13}
OUT_OF_SCOPE = "oos"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions; `same` when the answer to one is an answer to the other."""

    asked: str
    known: str
    same: bool
    kind: str


def quora(data: Path) -> dict[Part, list[Pair]]:
    """The Quora pairs by part; those linked to a test question are in none."""
    pairs = _quora(data)
    cut = round(len(pairs) * (1 - _TEST_SHARE))
    groups = _Groups()
    for pair in pairs:
        groups.join(pair.asked, pair.known)
    tested = {groups.of(pair.asked) for pair in pairs[cut:]}
    parts: dict[Part, list[Pair]] = {"pair": [], "forest": [], "calibration": []}
    for pair in pairs[:cut]:
        group = groups.of(pair.asked)
        if group not in tested:
            parts[_part(group)].append(pair)
    return {**parts, "test": pairs[cut:]}


def clinc(data: Path, *parts: str) -> list[Meant]:
    """CLINC's questions of these parts with those out of scope; each of them is its own intent."""
    stored = json.loads((data / "clinc_oos" / "data_full.json").read_text(encoding="utf-8"))
    found = [Meant(text, intent) for part in parts for text, intent in stored[part]]
    strange = [text for part in parts for text, _ in stored[f"oos_{part}"]]
    return found + [Meant(text, f"{OUT_OF_SCOPE} {n}") for n, text in enumerate(strange)]


def paraphrases(data: Path) -> list[tuple[str, str]]:
    """GPTCache's own sentences, each with the same in other words."""
    stored = json.loads((data / "gptcache_qqp" / "mock_data.json").read_text(encoding="utf-8"))
    return [(each["origin"], each["similar"]) for each in stored]


def seen(intent: str) -> bool:
    """Whether the pair model may learn from this intent."""
    return _share(intent) < 0.5


def _quora(data: Path) -> list[Pair]:
    with tarfile.open(data / "gptcache_qqp" / "similiar_qqp_full.json.gz") as archive:
        inside = next(m for m in archive if m.name.endswith(".json") and "/._" not in m.name)
        file = archive.extractfile(inside)
        assert file is not None
        stored = json.load(file)
    return [Pair(p["text_a"], p["text_b"], bool(p["label"]), "quora") for p in stored]


def _part(group: str) -> Part:
    place = _share(group)
    for part, size in _SHARES.items():
        if place < size:
            return part
        place -= size
    return "calibration"


def _share(text: str) -> float:
    """Somewhere from 0 to 1, always the same for one text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48


class _Groups:
    """Questions that are linked through pairs."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, text: str) -> str:
        while (above := self._above.setdefault(text, text)) != text:
            self._above[text] = self._above[above]
            text = self._above[text]
        return text

    def join(self, one: str, other: str) -> None:
        self._above[self.of(one)] = self.of(other)
