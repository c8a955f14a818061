"""Which replica has read the beginning of a prompt before: vLLM keeps what it computed of prompts,
an adapter's apart from another's, and reads on from there.

By the text, in blocks, each told by a hash over itself and all before it. What the engine has
dropped meanwhile is not known; a replica's oldest blocks are forgotten here at a bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from context.types import Message, Prompt
from gateway.sizes import CHARACTERS_PER_TOKEN

BLOCK = 1024  # characters; a shorter prompt is read too quickly to matter
LONGEST = 64  # blocks that are compared; who shares more shares enough
KEPT = 16_384  # blocks of a replica


class Prefixes:
    """What was sent to each replica of one provider by this gateway."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, dict[int, None]] = defaultdict(dict)

    def cached(self, blocks: Sequence[int]) -> Mapping[str, int]:
        """Replica → tokens of this prompt that it has read."""
        found = {}
        for replica, seen in self._seen.items():
            count = 0
            for block in blocks:
                if block not in seen:
                    break
                count += 1
            if count:
                found[replica] = count * BLOCK // CHARACTERS_PER_TOKEN
        return found

    def sent(self, replica: str, blocks: Sequence[int]) -> None:
        """It reads this prompt."""
        seen = self._seen[replica]
        for block in blocks:
            seen.pop(block, None)
            seen[block] = None
        while len(seen) > KEPT:
            del seen[next(iter(seen))]

    def keep(self, addresses: Collection[str]) -> None:
        """The others are no replicas any more."""
        for gone in self._seen.keys() - set(addresses):
            del self._seen[gone]


def blocks_of(prompt: Prompt, adapter: str | None) -> tuple[int, ...]:
    """Whole blocks from the beginning of a prompt."""
    text = "".join(_beginning(prompt.messages))
    chain, blocks = hash(adapter), []
    for start in range(0, min(len(text), LONGEST * BLOCK) - BLOCK + 1, BLOCK):
        chain = hash((chain, text[start : start + BLOCK]))
        blocks.append(chain)
    return tuple(blocks)


def _beginning(messages: Sequence[Message]) -> Iterator[str]:
    """Texts of messages, as far as they are compared. Images and the like end the comparison."""
    length = 0
    for message in messages:
        content = message.get("content")
        yield str(message.get("role"))
        parts = [{"text": content}] if isinstance(content, str) else content or ()
        for part in parts:
            text = part.get("text") if isinstance(part, Mapping) else None
            if not isinstance(text, str) or length >= LONGEST * BLOCK:
                return
            yield text
            length += len(text)
