"""What the tables of adapters do, whatever database they stand in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.adapters.names import BadName, Reference, reference
from gateway.adapters.registry import Registry
from gateway.adapters.store import AdapterStore, Conflict, Draft, NoSuchAdapter
from gateway.adapters.types import EVERYBODY, LIVE, Adapter, Facts
from gateway.ledger.database import Database
from routing.types import Limits

NOON = 1_795_000_000.0
FACTS = Facts("tiny", 8, 16.0, ("q_proj", "v_proj"), "F32", 4096, "0" * 64, ("no task type",))
DRAFT = Draft("acme", "support", "vllm", "hub:acme/support", FACTS)


@pytest.fixture
def store(database: Database) -> AdapterStore:
    slots = {"vllm": {"http://a": 8, "http://b": 8}}
    return AdapterStore(database, slots, clock=lambda: NOON)


def means(store: AdapterStore, asked: str, team: str = "acme") -> str | None:
    """What engines are asked for, as a registry that was opened now sees it."""
    found = Registry(store).find(team, asked)
    return found.served_as if found else None


def test_an_adapter_comes_back_as_it_was_added(store: AdapterStore) -> None:
    quota = Limits(requests_per_minute=60, max_parallel=2)
    made = store.add(replace(DRAFT, priority="high", quota=quota))
    assert made == Adapter(
        "acme", "support", 1, "vllm", "hub:acme/support", FACTS, "high", quota, NOON
    )
    assert store.held("acme", "support").revisions == {1: made}
    assert Registry(store).served("vllm", "acme:support@1") == made


def test_the_first_revision_is_live_and_later_ones_when_that_is_said(store: AdapterStore) -> None:
    for live in (False, False, True):
        store.add(DRAFT, live=live)
        if not live:
            assert means(store, "support") == "acme:support@1"
    assert means(store, "support") == "acme:support@3"


def test_an_alias_is_moved_and_moved_back(store: AdapterStore) -> None:
    for _ in range(2):
        store.add(DRAFT)
    store.lead("acme", Reference("support", 2))
    assert means(store, "support") == means(store, "support@live") == "acme:support@2"
    assert store.back("acme", "support").revision == 1
    assert means(store, "support") == "acme:support@1"


def test_what_is_promoted_twice_can_still_be_rolled_back(store: AdapterStore) -> None:
    for _ in range(2):
        store.add(DRAFT)
    for _ in range(2):
        store.lead("acme", Reference("support", 2))
    assert store.back("acme", "support").revision == 1


def test_an_alias_may_be_led_to_what_another_one_stands_for(store: AdapterStore) -> None:
    for _ in range(2):
        store.add(DRAFT)
    store.lead("acme", Reference("support", 2), "canary")
    assert means(store, "support@canary") == "acme:support@2"
    store.lead("acme", Reference("support", "canary"), LIVE)
    assert means(store, "support") == "acme:support@2"
    store.unlead("acme", "support", "canary")
    assert means(store, "support@canary") is None


def test_nothing_is_rolled_back_to_what_is_not_there(store: AdapterStore) -> None:
    store.add(DRAFT)
    with pytest.raises(Conflict, match="nothing else"):
        store.back("acme", "support")
    store.add(DRAFT, live=True)
    store.remove("acme", "support", 1)
    with pytest.raises(Conflict, match="nothing else"):
        store.back("acme", "support")


def test_a_number_is_never_given_twice(store: AdapterStore) -> None:
    for _ in range(3):
        store.add(DRAFT)
    store.remove("acme", "support", 3)
    assert store.add(DRAFT).revision == 4
    assert len(store.remove("acme", "support")) == 3
    assert store.add(DRAFT).revision == 5
    assert means(store, "support") == "acme:support@5"


def test_a_register_that_is_opened_later_knows_what_was_removed_before(
    store: AdapterStore,
) -> None:
    for _ in range(2):
        store.add(DRAFT, live=True)
    store.remove("acme", "support", 1)
    registry = Registry(store)
    assert registry.removed("vllm", "acme:support@1")
    assert not registry.removed("vllm", "acme:support@2")
    assert not registry.removed("vllm", "support@1")


def test_two_that_add_at_once_are_given_two_numbers(store: AdapterStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: store.add(DRAFT).revision, range(8)))
    assert sorted(made) == list(range(1, 9))


def test_what_an_alias_stands_for_is_not_removed_alone(store: AdapterStore) -> None:
    store.add(DRAFT)
    with pytest.raises(Conflict, match="live"):
        store.remove("acme", "support", 1)
    store.remove("acme", "support")
    assert means(store, "support") is None


def test_teams_do_not_see_each_others(store: AdapterStore) -> None:
    store.add(DRAFT)
    assert means(store, "support", "globex") is None
    for refused in (
        lambda: store.held("globex", "support"),
        lambda: store.lead("globex", Reference("support", 1)),
        lambda: store.back("globex", "support"),
        lambda: store.unlead("globex", "support", LIVE),
        lambda: store.prioritise("globex", "support", "high"),
        lambda: store.remove("globex", "support"),
    ):
        with pytest.raises(NoSuchAdapter):
            refused()


def test_a_teams_own_name_comes_before_everybodys(store: AdapterStore) -> None:
    for tenant in (EVERYBODY, EVERYBODY, "acme"):
        store.add(replace(DRAFT, tenant=tenant))
    assert means(store, "support") == "acme:support@1"
    assert means(store, "support", "globex") == "support@1"
    # Another one's second revision is not the second revision of one's own.
    assert means(store, "support@2") is None
    assert means(store, "support@2", "globex") == "support@2"
    usable = Registry(store).usable("acme")
    assert [(held.tenant, held.name) for held in usable] == [("acme", "support")]


@pytest.mark.parametrize("missing", ["other", "support@9", "support@canary"])
def test_what_is_not_there_is_told(store: AdapterStore, missing: str) -> None:
    store.add(DRAFT)
    assert means(store, missing) is None
    with pytest.raises(NoSuchAdapter):
        store.lead("acme", reference(missing))


@pytest.mark.parametrize(
    ("tenant", "name"), [("acme", "../etc"), ("a:b", "support"), ("acme", "a@1")]
)
def test_nothing_is_added_under_a_name_that_is_none(
    store: AdapterStore, tenant: str, name: str
) -> None:
    with pytest.raises(BadName):
        store.add(replace(DRAFT, tenant=tenant, name=name))
    assert store.all() == []


def test_a_priority_is_the_names_and_of_the_revisions_to_come(store: AdapterStore) -> None:
    for _ in range(2):
        store.add(DRAFT)
    store.prioritise("acme", "support", "critical")
    assert store.add(DRAFT).priority == "critical"
    assert {each.priority for each in store.held("acme", "support").revisions.values()} == {
        "critical"
    }


def test_of_a_critical_name_what_can_be_asked_for_without_a_number_is_pinned(
    store: AdapterStore,
) -> None:
    for _ in range(3):
        store.add(replace(DRAFT, priority="critical"))
    store.lead("acme", Reference("support", 3), "canary")
    pinned = Registry(store).pinned("vllm")
    assert [each.served_as for each in pinned] == ["acme:support@1", "acme:support@3"]


def test_no_more_is_pinned_than_a_part_of_the_slots(store: AdapterStore) -> None:
    for place in range(2):
        store.add(replace(DRAFT, name=f"a{place}", priority="critical"))
    with pytest.raises(Conflict, match=r"3 critical adapters on 2 replicas .* 8 slots"):
        store.add(replace(DRAFT, name="a2", priority="critical"))
    store.add(replace(DRAFT, name="a2"))
    with pytest.raises(Conflict):
        store.prioritise("acme", "a2", "critical")
    assert means(store, "a2") == "acme:a2@1"  # as it was
    store.prioritise("acme", "a0", "low")
    store.prioritise("acme", "a2", "critical")


def test_a_pinned_name_may_be_promoted_though_there_is_no_room_for_another(
    store: AdapterStore,
) -> None:
    for name in ("a0", "a1", "a1"):
        store.add(replace(DRAFT, name=name, priority="critical"))
    store.lead("acme", Reference("a1", 2))
    assert {each.served_as for each in Registry(store).pinned("vllm")} == {"acme:a0@1", "acme:a1@2"}
    with pytest.raises(Conflict):
        store.lead("acme", Reference("a1", 1), "canary")


def test_a_registry_sees_what_another_process_changes(store: AdapterStore) -> None:
    registry = Registry(store)
    assert not registry.any
    store.add(DRAFT)
    registry.refresh()
    assert registry.any
    seen = registry.version
    store.add(DRAFT, live=True)
    registry.refresh()
    assert registry.version > seen
    found = registry.find("acme", "support")
    assert found
    assert found.revision == 2


def test_what_fails_changes_nothing(store: AdapterStore) -> None:
    store.add(DRAFT)
    version = store.version()
    with pytest.raises(Conflict):
        store.remove("acme", "support", 1)
    assert store.version() == version
