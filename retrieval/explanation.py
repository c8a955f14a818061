"""How one search came to its result: what each stage saw, in its order, and what was dropped why.

Filled in by the retriever while it runs. Lists of hits are only pointed to, so that it costs a
request nothing; whoever shows it takes it apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from retrieval.spelling.correcting import Correction
from retrieval.types import Hit


@dataclass(slots=True)
class Explanation:
    """One search, stage by stage."""

    languages: Sequence[str] = ()  # in which the question was read
    terms: Sequence[str] = ()  # that BM25 looked for
    corrected: Sequence[Correction] = ()  # what else it looked for, as a passage found bears out
    stages: dict[str, Sequence[Hit]] = field(default_factory=dict)  # by name, best first
    dropped: dict[str, Sequence[Hit]] = field(default_factory=dict)  # found, not served: by reason
    notes: list[str] = field(default_factory=list)  # what went otherwise than configured

    def saw(self, stage: str, hits: Sequence[Hit]) -> None:
        self.stages[stage] = hits

    def drop(self, why: str, hits: Sequence[Hit]) -> None:
        if hits:
            self.dropped[why] = hits

    def note(self, text: str) -> None:
        self.notes.append(text)
