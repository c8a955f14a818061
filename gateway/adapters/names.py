"""How an adapter is named: `support-v3`, one of its revisions `support-v3@2`, or what an alias
stands for, `support-v3@canary`.

Names become parts of what engines are asked for and of what logs say, so nothing but a few
characters is let in: no way up a path, no second meaning for a shell, an address or a metric.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from gateway.adapters.types import EVERYBODY, LIVE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_REVISION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class BadName(ValueError):
    """It cannot be one; the message says what can."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a caller means: a name, and which of its revisions."""

    name: str
    wanted: int | str = LIVE  # a revision's number, or an alias

    def __str__(self) -> str:
        return self.name if self.wanted == LIVE else f"{self.name}@{self.wanted}"


def reference(text: str) -> Reference:
    """Raises BadName."""
    name, at, wanted = text.partition("@")
    name = checked_name(name)
    if not at:
        return Reference(name)
    if _REVISION.fullmatch(wanted):
        return Reference(name, int(wanted))
    return Reference(name, checked_alias(wanted))


def checked_name(name: str, taken: Container[str] = ()) -> str:
    """The name, where an adapter may have it. Raises BadName. `taken` are names of models."""
    if not _NAME.fullmatch(name):
        raise BadName(
            f"{name!r} cannot be an adapter's name: at most 64 letters, digits, '.', '_' and '-', "
            "beginning with a letter or a digit."
        )
    if name in taken:
        raise BadName(f"{name!r} is the name of a model in the configuration.")
    return name


def checked_alias(alias: str) -> str:
    """Raises BadName."""
    if not _ALIAS.fullmatch(alias):
        raise BadName(
            f"{alias!r} cannot be an alias: at most 32 small letters, digits, '_' and '-', "
            "beginning with a letter. A revision is a number from 1."
        )
    return alias


def checked_tenant(tenant: str) -> str:
    """The team, where it may have adapters of its own. Raises BadName."""
    if tenant != EVERYBODY and not _NAME.fullmatch(tenant):
        raise BadName(f"The team {tenant!r} cannot have adapters: its name is not as theirs are.")
    return tenant
