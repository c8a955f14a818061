"""A whole gateway before an upstream that misbehaves: with one model, with a fallback, by vLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from eval.bench.faults.cases import BEHAVIOURS
from eval.bench.faults.charges import Books
from eval.bench.faults.client import Door
from eval.bench.faults.expectations import BreaksOff
from eval.bench.faults.subjects import BUDGET_USD, configuration, open_sockets
from eval.bench.faults.trial import Run, Subject, Trial, Verdict
from eval.bench.faults.upstream import MisbehavingUpstream
from gateway.config import parse
from gateway.pipeline import Gateway
from tests.e2e.conftest import background
from tests.serving import serving

T = TypeVar("T")
UNGUARDED = """
[guardrails.output]
secrets = "allow"
instructions = "allow"
[cache]
enabled = false
"""
CONTINUES = """
[stream]
on_cut = "continue"
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to set the gateway up, and what there is to be seen of it."""

    name: str
    provider: str = "openai-compatible"
    fallback: bool = False
    continues: bool = False
    more: str = ""  # of the configuration
    sees: Callable[[Run], bool] = lambda run: True


def beside_others(run: Run) -> bool:
    """How connections are made is the same everywhere."""
    case, _ = run
    return not case.alone and case.listening == "open"


def breaks_off(run: Run) -> bool:
    case, stream = run
    return isinstance(check := case.check(stream), BreaksOff) and not check.more


ONE = Kind("one")
KINDS = (
    ONE,
    Kind("fallback", fallback=True),
    Kind("vllm", provider="vllm", sees=beside_others),
    Kind("unguarded", more=UNGUARDED, sees=beside_others),
    Kind("continues", fallback=True, continues=True, more=CONTINUES, sees=breaks_off),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what there is nothing to see of."""
    specs = [(item, getattr(item, "callspec", None)) for item in items]
    given = [(item, spec.params if spec else {}) for item, spec in specs]
    items[:] = [
        item
        for item, params in given
        if "run" not in params or "world" not in params or params["world"].sees(params["run"])
    ]


@dataclass(frozen=True, slots=True)
class World:
    """The trial, and the loop that it and the upstream live in."""

    kind: Kind
    trial: Trial
    loop: asyncio.AbstractEventLoop
    gateway: Gateway
    upstreams: tuple[MisbehavingUpstream, ...]
    sockets_before: int  # the first case

    @property
    def busy(self) -> int:
        """Calls that are under way."""
        return sum(each.busy for each in self.upstreams)

    def sockets(self) -> int:
        """Open ones. All parties live in this process: what is kept idle between the gateway and
        an upstream would count twice, and does not."""
        return open_sockets(os.getpid()) - 2 * sum(each.open for each in self.upstreams)

    @property
    def url(self) -> str:
        return f"{self.trial.subject.door.url}/v1"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def key(self) -> str:
        return next(keys(self.gateway))


def keys(gateway: Gateway) -> Iterator[str]:
    """New ones, each with room for one request at a time."""
    while True:
        secret = gateway.accounts.store.create("faults", budget_usd=BUDGET_USD).secret
        gateway.accounts.refresh()
        yield secret


@pytest.fixture(scope="session", params=KINDS, ids=lambda kind: kind.name)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    kind: Kind = request.param
    with ExitStack() as stack:
        loop = stack.enter_context(background())
        upstream, spare = stack.enter_context(_upstreams(loop))
        data = str(tmp_path_factory.mktemp(kind.name))
        spare_url = spare.url if kind.fallback else None
        text = configuration(upstream.url, data, kind=kind.provider, spare=spare_url)
        served = stack.enter_context(serving(parse(text + kind.more)))
        gateway: Gateway = served.app.state.gateway
        subject = Subject(
            Door(served.url, gateway.accounts.store.create("roomy").secret),
            "*" if kind.fallback else "faults/*",
            fallback=kind.fallback,
            continues=kind.continues,
            books=Books(gateway.accounting.queries),
            keys=keys(gateway),
        )
        trial = Trial(subject, upstream)
        world = World(kind, trial, loop, gateway, (upstream, spare), 0)
        assert world.run(trial.unhealthy()) == []
        yield replace(world, sockets_before=world.sockets())


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest, world: World) -> dict[tuple[str, bool], Verdict]:
    """On all runs that were asked for in this world: held together, since most of them wait."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    given = [spec.params for spec in specs if spec and "run" in spec.params]
    asked = [each["run"] for each in given if each["world"] is world.kind]
    seen = world.run(world.trial.all(asked))
    return {(verdict.case, bool(verdict.stream)): verdict for verdict in seen}


@contextmanager
def _upstreams(
    loop: asyncio.AbstractEventLoop,
) -> Iterator[tuple[MisbehavingUpstream, MisbehavingUpstream]]:
    """The misbehaving one and the one that a fallback finds."""

    def wait(work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    upstream = MisbehavingUpstream(BEHAVIOURS)
    spare = MisbehavingUpstream({}, beside=upstream)
    opened = AsyncExitStack()
    for each in (upstream, spare):
        wait(opened.enter_async_context(each))
    try:
        yield upstream, spare
    finally:
        wait(opened.aclose())
