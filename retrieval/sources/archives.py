"""An archive as items: its members, known by the archive's name and their path in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.members import Held, Member, inside
from retrieval.sources.reading import whole
from retrieval.sources.sidecars import LONGEST, Sidecars, is_sidecar
from retrieval.sources.tar import members as tarred
from retrieval.sources.tar import unpacked
from retrieval.sources.types import Item, Listing
from retrieval.sources.zip import members as zipped

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_MAC = "__MACOSX"  # what a Mac puts beside each file


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive which is looked into."""
    return name.lower().endswith(ARCHIVES)


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of one archive."""

    name: str  # what its members' names begin with
    shown: str
    opened: Callable[[], Held]
    """A file of its own. Raises Unreadable or OSError."""
    stamp: str = ""  # of the whole archive
    limits: Limits = LIMITS
    foreign: bool = False  # as of an item

    def items(self, listing: Listing) -> Iterator[Item]:
        """Members of known formats, in the archive's order."""
        try:
            held = self._held(listing)
        except Unreadable as error:
            listing.unlisted.append((self.shown, error.reason))
            return
        sidecars = Sidecars(partial(_beside, held))
        for path, member in held.items():
            if is_sidecar(path):
                listing.skipped.append((f"{self.shown}/{path}", "metadata of other files"))
            else:
                yield sidecars.described(self._item(path, member), path)

    def _item(self, path: str, member: Member) -> Item:
        name = path.rpartition("/")[2]
        return Item(
            f"{self.name}/{path}",
            name,
            member.size,
            partial(_read, member, name, self.limits),
            f"{self.stamp}/{member.place}" if self.stamp else "",
            f"{self.shown}/{path}",
            foreign=self.foreign,
        )

    def _held(self, listing: Listing) -> dict[str, Member]:
        """What is worth a look; of two members of one name the later one, as unpacking would."""
        held: dict[str, Member] = {}
        for member in self._members():
            shown = f"{self.shown}/{member.name}".encode("utf-8", "replace").decode()
            try:
                path = inside(member.name)
            except Unreadable as error:
                listing.unlisted.append((shown, error.reason))
                continue
            if reason := member.skipped or _unfit(path):
                listing.skipped.append((shown, reason))
            else:
                if held.pop(path, None):
                    listing.skipped.append((shown, "an earlier member of the same name"))
                held[path] = member
        return held

    def _members(self) -> Iterator[Member]:
        try:
            file = self.opened()
            if self.name.lower().endswith(".zip"):
                yield from zipped(file)
            elif self.name.lower().endswith(".tar"):
                yield from tarred(file)
            else:
                yield from tarred(unpacked(file))
        except Unreadable:
            raise
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error
        except Exception as error:
            # Damaged archives make the libraries fail in more ways than can be listed, and one
            # must not end the reading of a thousand.
            what = " ".join(str(error).split())[:200]
            raise Unreadable(f"damaged archive: {type(error).__name__}: {what}") from error


def _read(member: Member, name: str, limits: Limits) -> bytes:
    if member.sealed:
        raise Unreadable(member.sealed)
    return whole(member.chunks(), name, member.size, limits)


def _beside(held: dict[str, Member], path: str) -> bytes | None:
    """A sidecar in the same archive."""
    member = held.get(path)
    if member is None:
        return None
    if member.sealed:
        raise Unreadable(f"{path}: {member.sealed}")
    found = b""
    for chunk in member.chunks():
        found += chunk
        if len(found) > LONGEST:
            break
    return found


def _unfit(path: str) -> str:
    """Why a member is no document."""
    parts = path.split("/")
    if parts[0] == _MAC or any(part.startswith((".", "~$")) for part in parts):
        return "hidden"
    if is_archive(path):
        return "an archive in an archive: unpack it first"
    return "" if known(path) or is_sidecar(path) else "unknown format"
