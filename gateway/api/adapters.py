"""/admin/adapters: what `moorline adapters` does, over HTTP.

Everything that is changed here is known to every gateway on the same ledger within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.names import BadName, reference
from gateway.adapters.store import Conflict, NoSuchAdapter
from gateway.adapters.telling import told, told_revision
from gateway.adapters.types import EVERYBODY, LIVE, Adapter
from gateway.api.access import CurrentAdmin, CurrentGateway
from gateway.errors import AdapterAway, Conflicting, InvalidRequest, NotFound
from gateway.pipeline import Gateway
from routing.placement.types import Priority
from routing.types import Limits

if TYPE_CHECKING:  # what fetches: not for the import of the door
    from gateway.adapters.intake import Intake

router = APIRouter(prefix="/admin/adapters", tags=["admin"])
T = TypeVar("T")


class Order(BaseModel):
    """Every field is known."""

    model_config = ConfigDict(extra="forbid")


class Addition(Order):
    """A revision to be fetched, looked over and registered."""

    source: str = Field(
        min_length=1, description="A folder, `s3://bucket/prefix` or `hub:owner/name@revision`."
    )
    name: str = Field(description="What requests will call it.")
    team: str = Field(default=EVERYBODY, description="Whose it is; everybody's when empty.")
    provider: str = Field(default="", description="Whose engines serve it, where several could.")
    priority: Priority | None = Field(default=None, description="Of all revisions of the name.")
    requests_per_minute: int | None = Field(default=None, ge=1, description="Of this revision.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="Of this revision.")
    max_parallel: int | None = Field(default=None, ge=1, description="Of this revision.")
    live: bool = Field(default=False, description="Whether the bare name means it from now on.")

    def quota(self) -> Limits | None:
        """None where nothing is said: then it is as before."""
        given = Limits(self.requests_per_minute, self.tokens_per_minute, self.max_parallel)
        return None if given == Limits() else given


class Lead(Order):
    """What an alias is to stand for."""

    revision: int | str = Field(description="A number, or another alias.")
    alias: str = Field(default=LIVE, description="`live` is what the bare name means.")


class Back(Order):
    """Which alias is to stand for what it stood for before."""

    alias: str = LIVE


class Rank(Order):
    """Whose place is kept."""

    priority: Priority


@router.get("")
async def adapters(gateway: CurrentGateway, admin: CurrentAdmin) -> dict[str, Any]:
    """Every team's, with all revisions that are not removed."""
    held = await _done(gateway, lambda intake: intake.store.all())
    return {"object": "list", "data": [told(each) for each in held]}


@router.post("")
async def add(wanted: Addition, gateway: CurrentGateway, admin: CurrentAdmin) -> dict[str, Any]:
    """The first revision of a name is live at once. Returns when it is registered, which takes as
    long as its source does."""
    from gateway.adapters.intake import Wanted

    fields = wanted.model_dump(include={"source", "name", "provider", "priority", "live"})
    asked = Wanted(**fields, tenant=wanted.team, quota=wanted.quota())
    return told_revision(await _done(gateway, lambda intake: intake.add(asked)))


@router.get("/{name}")
async def one(
    name: str, gateway: CurrentGateway, admin: CurrentAdmin, team: str = EVERYBODY
) -> dict[str, Any]:
    """One name."""
    return told(await _done(gateway, lambda intake: intake.store.held(team, name)))


@router.delete("/{name}")
async def remove(
    name: str,
    gateway: CurrentGateway,
    admin: CurrentAdmin,
    team: str = EVERYBODY,
    revision: int | None = None,
) -> dict[str, Any]:
    """A revision, or all of the name."""
    gone = await _done(gateway, lambda intake: intake.remove(team, name, revision))
    return {"object": "list", "data": [each.revision for each in gone]}


@router.post("/{name}/aliases")
async def lead(
    name: str,
    wanted: Lead,
    gateway: CurrentGateway,
    admin: CurrentAdmin,
    team: str = EVERYBODY,
) -> dict[str, Any]:
    """Promote a revision, or name it otherwise."""

    def led(intake: Intake) -> Adapter:
        meant = reference(f"{name}@{wanted.revision}")
        return intake.store.lead(team, meant, wanted.alias)

    return told_revision(await _done(gateway, led))


@router.delete("/{name}/aliases/{alias}")
async def unlead(
    name: str,
    alias: str,
    gateway: CurrentGateway,
    admin: CurrentAdmin,
    team: str = EVERYBODY,
) -> dict[str, Any]:
    """Forget an alias."""
    await _done(gateway, lambda intake: intake.store.unlead(team, name, alias))
    return told(await _done(gateway, lambda intake: intake.store.held(team, name)))


@router.post("/{name}/rollback")
async def back(
    name: str,
    wanted: Back,
    gateway: CurrentGateway,
    admin: CurrentAdmin,
    team: str = EVERYBODY,
) -> dict[str, Any]:
    """To what the alias stood for before."""
    return told_revision(await _done(gateway, lambda i: i.store.back(team, name, wanted.alias)))


@router.post("/{name}/priority")
async def prioritise(
    name: str,
    wanted: Rank,
    gateway: CurrentGateway,
    admin: CurrentAdmin,
    team: str = EVERYBODY,
) -> dict[str, Any]:
    """Of all revisions; critical ones are pinned."""
    await _done(gateway, lambda intake: intake.store.prioritise(team, name, wanted.priority))
    return told(await _done(gateway, lambda intake: intake.store.held(team, name)))


@router.post("/{name}/warm")
async def warm(
    name: str, gateway: CurrentGateway, admin: CurrentAdmin, team: str = EVERYBODY
) -> dict[str, Any]:
    """Have it loaded where a request for it would be sent: `name`, `name@2` or `name@canary`."""
    with _refusals():
        meant = reference(name)
        held = await asyncio.to_thread(gateway.adapters.store.held, team, meant.name)
        adapter = held.meant(meant.wanted)
    await asyncio.to_thread(gateway.adapters.refresh)  # it may have been added a moment ago
    fleet = gateway.fleets.serving.get(adapter.provider)
    if fleet is None:
        raise NotFound(f"The provider {adapter.provider} has no replicas that could be warmed.")
    return {**told_revision(adapter), "replica": await fleet.warm(adapter.served_as)}


async def _done(gateway: Gateway, work: Callable[[Intake], T]) -> T:
    """Work on the tables, in a thread, and then known here at once."""
    from gateway.adapters.intake import Intake

    def whole() -> T:
        done = work(Intake(gateway.config, gateway.adapters.store.database))
        gateway.adapters.refresh()
        return done

    with _refusals():
        return await asyncio.to_thread(whole)


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused, as an answer of the usual form."""
    try:
        yield
    except NoSuchAdapter as error:
        raise NotFound(str(error.args[0]), param="name") from error
    except BadName as error:
        raise InvalidRequest(str(error), param="name") from error
    except BadAdapter as error:
        raise InvalidRequest(str(error), param="source") from error
    except SourceAway as error:
        raise AdapterAway(str(error), param="source") from error
    except Conflict as error:
        raise Conflicting(str(error)) from error
