"""Whether a cloud has said that its answer is at an end.

litellm says so in any case, when a stream stops, and would pass off a cut one as whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Its pieces of a stream all say "stop", so that the cloud's own have to be looked at.
GEMINI = "vertex_and_google_ai_studio_gemini"


class Ending:
    """Of one of litellm's streams."""

    __slots__ = ("_chunks", "_looked", "_said")

    def __init__(self, chunks: Any, *, looked: bool = False) -> None:
        self._chunks = chunks
        self._looked = looked  # into the cloud's own pieces
        self._said = False

    @classmethod
    async def of(cls, chunks: Any) -> Ending:
        """Of a stream that nothing has been read of yet. It may take a request."""
        fetch = getattr(chunks, "fetch_stream", None)
        source: Any = await fetch() if fetch else None
        ending = cls(chunks, looked=type(source).__module__.endswith(GEMINI))
        if ending._looked:
            source.chunk_parser = ending._looking(source.chunk_parser)
        return ending

    @property
    def heard(self) -> bool:
        """Whether the cloud has said it."""
        if self._looked:
            return self._said
        return getattr(self._chunks, "received_finish_reason", "unknown") is not None

    def _looking(self, parse: Any) -> Any:
        def looked(chunk: Mapping[str, Any]) -> Any:
            self._said |= _ends(chunk)
            return parse(chunk)

        return looked


def _ends(chunk: Mapping[str, Any]) -> bool:
    """Whether a piece in Google's format is a candidate's last, or says why there is none."""
    candidates = chunk.get("candidates") or ()
    blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
    return bool(blocked) or any(each.get("finishReason") for each in candidates)
