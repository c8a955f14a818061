"""Points from one store to another, with the vectors of another encoder.

Nothing but the vectors changes, those of tokens among them: terms, access and metadata are copied
as they are. It does not know where the stores are, nor how it becomes known which of them is live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retrieval.index import points
from retrieval.index.points import STAGE, Manifest, Point, Store
from retrieval.types import Encoder, TokenEncoder

_SLICE = 128
"""Passages handed to the encoder at once: the step of the progress."""


async def reembedded(
    old: Store, new: Store, manifest: Manifest, encoder: Encoder, progress: Callable[[int], None]
) -> int:
    """Bring all live points of a collection into an empty store; how many they are.

    Raises RetrievalError, for a passage that is too long for the encoder among others."""
    fields = dict(points.OWN_FIELDS) | points.fields_of_access(manifest)
    done = 0
    slice_: list[Point] = []
    async for point in old.points(points.visible(manifest.generation)):
        slice_.append(point)
        fields |= points.fields_of([points.passage(point.payload).meta])
        if len(slice_) == _SLICE:
            done += await _brought(slice_, new, encoder)
            slice_ = []
            progress(done)
    done += await _brought(slice_, new, encoder)
    progress(done)
    await new.index(fields)
    return done


async def _brought(old: Sequence[Point], new: Store, encoder: Encoder) -> int:
    if not old:
        return 0
    texts = [points.passage(point.payload).embedded for point in old]
    if any(points.TOKENS in point.payload for point in old) and isinstance(encoder, TokenEncoder):
        vectors, tokens = await encoder.passages_and_tokens(texts)
    else:
        vectors, tokens = await encoder.passages(texts), [b""] * len(texts)
    fresh = [
        Point(point.id, vector, point.sparse, points.with_tokens(point.payload, own))
        for point, vector, own in zip(old, vectors, tokens, strict=True)
    ]
    for start in range(0, len(fresh), STAGE):
        await new.upsert(fresh[start : start + STAGE])
    return len(fresh)
