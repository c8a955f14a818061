"""An adapter as JSON, for the command and the API alike."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.adapters.store import Held
from gateway.adapters.types import Adapter


def told(held: Held) -> dict[str, Any]:
    """A name with its revisions, and what leads to them."""
    latest = held.revisions[max(held.revisions)]
    return {
        "name": held.name,
        "team": held.tenant or None,
        "priority": latest.priority,
        "aliases": {alias.name: alias.revision for alias in held.aliases.values()},
        "revisions": [told_revision(adapter) for adapter in held.revisions.values()],
    }


def told_revision(adapter: Adapter) -> dict[str, Any]:
    """One revision with what its files say."""
    quota = {name: limit for name, limit in asdict(adapter.quota).items() if limit is not None}
    return {
        "revision": adapter.revision,
        "served_as": f"{adapter.provider}/{adapter.served_as}",
        "source": adapter.source,
        "added_at": adapter.added_at,
        "quota": quota,
        **asdict(adapter.facts),
    }
