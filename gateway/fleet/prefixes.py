"""Which replica has read the beginning of a prompt before: vLLM keeps what it computed of prompts,
an adapter's apart from another's, and reads on from there.

By the text, in blocks, each told by a hash over itself and all before it, which is the same for
every gateway: what is new to one it tells the others. What the engine has dropped meanwhile is not
known, nor what was told before a gateway joined; a replica's oldest blocks are forgotten here at a
bound.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b

from context.types import Message, Prompt
from gateway.fleet.sharing import Doing
from gateway.sizes import CHARACTERS_PER_TOKEN

BLOCK = 1024  # characters; a shorter prompt is read too quickly to matter
LONGEST = 64  # blocks that are compared; who shares more shares enough
KEPT = 16_384  # blocks of a replica


class Prefixes:
    """What was sent to each replica of one provider."""

    def __init__(self, provider: str, tell: Callable[[Doing], None]) -> None:
        self._provider = provider
        self._tell = tell
        self._seen: dict[str, dict[int, None]] = {}

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

    def sent(self, replica: str, adapter: str | None, blocks: Sequence[int]) -> None:
        """It reads this prompt. Others are told what is new of it."""
        if (seen := self._seen.get(replica)) is None:
            return
        new = [block for block in blocks if block not in seen]
        _add(seen, blocks)
        if new:
            self._tell(("read", self._provider, replica, adapter, new))

    def heard(self, doing: Doing) -> None:
        """Another gateway did this. Of a replica that is none here nothing is kept."""
        what, _, replica, _, blocks = doing
        if what == "read" and (seen := self._seen.get(replica)) is not None:
            _add(seen, [block for block in blocks[:LONGEST] if isinstance(block, int)])

    def keep(self, addresses: Collection[str]) -> None:
        """These are the replicas from now on."""
        self._seen = {address: self._seen.get(address, {}) for address in addresses}


def _add(seen: dict[int, None], blocks: Sequence[int]) -> None:
    """They are the newest, and the oldest go."""
    for block in blocks:
        seen.pop(block, None)
        seen[block] = None
    while len(seen) > KEPT:
        del seen[next(iter(seen))]


def blocks_of(prompt: Prompt, adapter: str | None) -> tuple[int, ...]:
    """Whole blocks from the beginning of a prompt."""
    text = "".join(_beginning(prompt.messages))
    chain, blocks = (adapter or "").encode(), []
    for start in range(0, min(len(text), LONGEST * BLOCK) - BLOCK + 1, BLOCK):
        block = text[start : start + BLOCK].encode("utf-8", "surrogatepass")
        chain = blake2b(chain + b"\0" + block, digest_size=8).digest()
        blocks.append(int.from_bytes(chain))
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
