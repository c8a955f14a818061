"""What is thought of earlier questions, and the protocol behind which it is thought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cache.types import Candidate


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate, and why its answer may not be given."""

    candidate: Candidate
    reasons: tuple[str, ...]  # against it; none where its answer may be given
    probability: float | None = None  # that its answer is right; None where it was not judged


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be given again, if anything, with how likely that is right; and of every candidate
    why not."""

    chosen: Candidate | None
    probability: float
    judged: tuple[Judged, ...]

    @property
    def against(self) -> str:
        """Kinds of reasons against the nearest, without the words of a question."""
        nearest = self.judged[0].reasons if self.judged else ()
        return ", ".join(reason.partition(":")[0] for reason in nearest)


NOTHING = Verdict(None, 0.0, ())


class Verifier(Protocol):
    """Says whose answer may be given again."""

    async def chosen(self, question: str, candidates: Sequence[Candidate]) -> Verdict:
        """Of earlier questions, the nearest first."""
        ...

    async def aclose(self) -> None: ...
