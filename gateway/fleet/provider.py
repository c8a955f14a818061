"""One provider over several replicas of a vLLM server, and over the adapters that they load.

Each request goes to the replica that will answer it soonest, which loads the adapter first where it
lacks it; what fails before the first of the answer goes to the next one. What is placed where is
decided in routing/placement, what is known outlives a change of the configuration (Kept).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gateway.errors import AdapterNotFound, AdapterUnusable, ProviderError
from gateway.fleet.engine import Engine
from gateway.fleet.kept import Kept
from gateway.fleet.places import Place, Places
from gateway.fleet.prefixes import blocks_of
from gateway.fleet.types import Adapters, Served
from gateway.fleet.visits import Visit
from gateway.providers.base import Call
from gateway.providers.config import VllmProvider
from gateway.providers.wire.client import Client
from gateway.sizes import tokens_of
from gateway.types import Events
from routing.config import BreakerConfig
from routing.placement.rendezvous import kept
from routing.placement.types import Knobs, Replica, Wanted

_log = logging.getLogger(__name__)


class Fleet:
    """Several engines as one provider."""

    def __init__(
        self,
        name: str,
        config: VllmProvider,
        client: Client,
        kept: Kept,
        adapters: Adapters,
        breaker: BreakerConfig,
    ) -> None:
        self.name = name
        self.config = config
        self.kept = kept
        self.adapters = adapters
        self.engines = {
            address: Engine(config, client, name, address) for address in config.addresses
        }
        self.replicas = tuple(kept.view.of(each, config.lora) for each in config.addresses)
        self._breaker = breaker
        self._models = _models(config)
        lora = config.lora
        self.places = Places(
            kept.view,
            self.replicas,
            Knobs(drain_after=lora.drain_after) if lora else Knobs(),
            most=lora.max_waiting if lora else 0,
            longest=lora.max_wait if lora else 0.0,
        )

    async def start(self, call: Call) -> Events:
        """See Provider."""
        served = self._served(call.model)
        adapter = served.name if served else None
        blocks = blocks_of(call.prompt, adapter) if len(self.replicas) > 1 else ()
        wanted = Wanted(
            adapter,
            served.priority if served else "medium",
            call.prompt.tokens.get("total") or tokens_of(call.prompt.messages),
            self.kept.prefixes.cached(blocks),
        )
        failed: dict[str, ProviderError] = {}
        while True:
            place = await self._taken(wanted, served, failed)
            self.kept.prefixes.sent(place.replica.name, adapter, blocks)
            try:
                return await self._visited(place, call, served)
            except ProviderError as error:
                if not (error.retryable or isinstance(error, AdapterNotFound)):
                    raise
                failed[place.replica.name] = error

    async def warm(self, name: str) -> str:
        """Have an adapter loaded where a request for it would be sent; that replica's address.
        Raises ProviderError."""
        served = self._served(name)
        if served is None or served.path is None:
            return self.replicas[0].name
        wanted = Wanted(name, served.priority)
        place = await self._taken(wanted, served, {})
        try:
            await self.made_ready(place.replica, served, place.placement.touch)
        finally:
            place.over()
        return place.replica.name

    async def made_ready(self, replica: Replica, served: Served, touch: Sequence[str] = ()) -> None:
        """Have an adapter on a replica; first others are used that are to stay there. Raises
        ProviderError."""
        engine, loads = self.engines[replica.name], self.kept.loads
        for name in touch:
            with suppress(ProviderError):  # then it has to be brought back when it is wanted
                await engine.use(name)
        if not loads.ready(replica, served):
            await loads.load(engine, replica, served)

    def take_over(self) -> None:
        """Its configuration is in force: who waits in its line is told of what others give back."""
        self.kept.view.changed = self.places.move
        self.kept.configure(self.config.addresses, self.config.lora, self._breaker)

    async def aclose(self) -> None:
        """The client is shared; what is kept outlives this."""

    def _served(self, model: str) -> Served | None:
        """The adapter that a name stands for; None is the base model. Nothing that nobody named
        or registered reaches an engine: some look names up as folders. Raises ProviderError."""
        if served := self.adapters.served(self.name, model):
            self.places.priorities[model] = served.priority
            return served
        try:
            return self._models[model]
        except KeyError:
            raise ProviderError(
                f"{self.name} serves no model '{model}'.", retryable=False, upstream_status=404
            ) from None

    async def _taken(
        self, wanted: Wanted, served: Served | None, failed: Mapping[str, ProviderError]
    ) -> Place:
        """A place for what is wanted, on a replica that may be asked. Raises ProviderError."""
        place = await self.places.taken(wanted, self._able(wanted.adapter, failed))
        if served and served.path and place.placement.tier == "disk":
            self.kept.loads.pushed_out(place.replica, served.name)
        return place

    def _able(self, adapter: str | None, failed: Mapping[str, ProviderError]) -> Sequence[Replica]:
        """Replicas that may be asked, at least one. Raises ProviderError."""
        now = self.kept.view.now()
        refused = self._refused(adapter) if adapter else {}
        able = [
            replica
            for replica in self.replicas
            if replica.name not in failed
            and replica.name not in refused
            and self.kept.health(replica.name).admits(now)
        ]
        if able and adapter and self.kept.view.alone:
            return kept(adapter, able)
        if able:
            return able
        if errors := [*refused.values(), *failed.values()]:
            raise errors[-1]
        waits = [self.kept.health(each.name).breaker.wait(now) for each in self.replicas]
        raise ProviderError(
            f"None of {self.name}'s replicas can be asked now.",
            retry_after=min((wait for wait in waits if wait is not None), default=None),
        )

    def _refused(self, adapter: str) -> Mapping[str, ProviderError]:
        """Replicas that had no memory for it a moment ago, or do not see its files. Raises
        AdapterUnusable where one that sees them said that they cannot be served: they are the same
        everywhere."""
        refused = {}
        for replica in self.replicas:
            if error := self.kept.loads.refused(replica, adapter):
                if isinstance(error, AdapterUnusable) and not isinstance(error, AdapterNotFound):
                    raise error
                refused[replica.name] = error
        return refused

    async def _visited(self, place: Place, call: Call, served: Served | None) -> Events:
        """One call of one replica. Raises ProviderError."""
        kept, name = self.kept, place.replica.name
        health = kept.health(name)
        era = health.breaker.enter(kept.view.now())
        if era is None:  # others are probing it
            place.over()
            raise ProviderError(f"A replica of {self.name} is being tried by others.")
        visit = Visit(place, served, health, era, kept.counts, kept.view.now)
        call.placed = _told(place)
        try:
            events = await self._answered(place, call, served, visit)
        except ProviderError as error:
            visit.failed(error)
            raise
        except BaseException:
            visit.left()
            raise
        return visit.begun(events, stream=call.stream)

    async def _answered(
        self, place: Place, call: Call, served: Served | None, visit: Visit
    ) -> Events:
        engine, replica = self.engines[place.replica.name], place.replica
        if served is not None:
            await self.made_ready(replica, served, place.placement.touch)
        visit.sent()
        try:
            return await engine.start(call)
        except ProviderError as error:
            if error.upstream_status != 404 or served is None or served.path is None:
                raise
        # It was started anew, or somebody unloaded the adapter: the mirror was wrong.
        _log.info("%s does not know %s any more", replica.name, served.name)
        self.kept.loads.forget(replica, served.name)
        await self.made_ready(replica, served)
        visit.sent()
        return await engine.start(call)


def _models(config: VllmProvider) -> Mapping[str, Served | None]:
    """What the configuration names: adapters that engines were started with take slots, too."""
    if config.base is None:
        return dict.fromkeys((each.name for each in config.models), None)
    return {
        each.name: None if each is config.base else Served(each.name, None)
        for each in config.models
    }


def _told(place: Place) -> Mapping[str, Any]:
    """A placement for the trace; not which adapter had to go, which may be another team's."""
    placement = place.placement
    told: dict[str, Any] = {
        "replica": placement.replica,
        "tier": placement.tier,
        "cost": round(placement.cost, 4),
    }
    if place.waited:
        told["waited"] = round(place.waited, 4)
    if placement.evicts:
        told["evicted"] = True
    return told
