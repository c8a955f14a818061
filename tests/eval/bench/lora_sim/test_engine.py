"""The simulated engine does what vLLM does."""

from __future__ import annotations

import pytest

from eval.bench.lora_sim.engine import Engine, Job, Speed
from eval.bench.lora_sim.simulation import Clock

PLAIN = Speed(step=0.01, sequence=0.0, token=0.0, disk=0.5, memory=0.1)


class World:
    """An engine, and when each of its requests began and ended."""

    def __init__(self, slots: int = 1, cpu_slots: int = 2, speed: Speed = PLAIN) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock, speed, slots, cpu_slots)
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def ask(
        self,
        name: str,
        adapter: str | None,
        at: float = 0.0,
        output: int = 1,
        prompt: int = 10,
        blocks: tuple[int, ...] = (),
    ) -> None:
        def began(now: float) -> None:
            self.began[name] = now

        def ended(now: float) -> None:
            self.ended[name] = now

        job = Job(adapter, prompt, output, blocks, began, ended)
        self.clock.at(at, lambda now: self.engine.submit(job, now))

    def run(self) -> World:
        self.clock.run(1e6)
        return self


def test_the_first_token_comes_with_the_step_that_reads_the_prompt() -> None:
    world = World()
    world.ask("x", None, output=5)
    world.run()
    assert [world.began["x"], world.ended["x"]] == pytest.approx([0.01, 0.05])


def test_an_adapter_is_read_once_and_stays() -> None:
    world = World()
    world.ask("first", "a")
    world.ask("again", "a", at=1.0)
    world.run()
    assert world.began["first"] == pytest.approx(0.61)
    assert world.began["again"] == pytest.approx(1.01)
    assert (world.engine.from_disk, world.engine.from_memory) == (1, 1)


def test_what_left_the_gpu_comes_from_memory() -> None:
    world = World()
    for at, adapter in enumerate("aba"):
        world.ask(f"{adapter}{at}", adapter, at=float(at))
    world.run()
    assert world.began["a2"] == pytest.approx(2.11)
    assert world.engine.from_disk == 2


def test_what_left_memory_is_read_again() -> None:
    world = World()
    for at, adapter in enumerate("abca"):
        world.ask(f"{adapter}{at}", adapter, at=float(at))
    world.run()
    assert world.engine.from_disk == 4


def test_a_load_holds_up_whoever_is_being_answered() -> None:
    world = World(slots=2)
    world.ask("x", None, output=100)
    world.ask("y", "a", at=0.2)
    world.run()
    assert world.ended["x"] == pytest.approx(1.6)


def test_one_adapter_too_many_is_skipped_and_those_behind_it_pass() -> None:
    world = World(slots=1)
    world.ask("hot", "a", output=100)
    world.ask("cold", "b", at=0.7)
    world.ask("later", "a", at=0.8)
    world.ask("base", None, at=0.8)
    world.run()
    assert world.began["later"] < world.ended["hot"] < world.began["cold"]
    assert world.began["base"] < world.ended["hot"]


def test_a_long_prompt_is_read_in_chunks() -> None:
    world = World(speed=Speed(step=0.01, sequence=0.0, token=0.0, tokens=100))
    world.ask("x", None, prompt=250)
    world.run()
    assert world.began["x"] == pytest.approx(0.03)


def test_seats_are_for_so_many_at_once() -> None:
    world = World(speed=Speed(step=0.01, sequence=0.0, token=0.0, seats=1))
    world.ask("x", None, output=10)
    world.ask("y", None, output=1)
    world.run()
    assert world.began["y"] == pytest.approx(0.11)


def test_blocks_that_the_same_adapter_has_read_are_not_read_again() -> None:
    world = World(slots=2, speed=Speed(step=0.0, sequence=0.0, token=0.001, disk=0.0, memory=0.0))
    world.ask("x", "a", prompt=1024, blocks=(1, 2))
    world.ask("y", "a", at=5.0, prompt=1536, blocks=(1, 2, 3))
    world.ask("z", "b", at=8.0, prompt=1024, blocks=(1, 2))
    world.run()
    assert world.began["y"] - 5.0 == pytest.approx(0.512)
    assert world.began["z"] - 8.0 == pytest.approx(1.024)


def test_steps_that_are_alike_are_taken_at_once_without_anybody_being_late() -> None:
    world = World()
    world.ask("x", None, output=1000)
    world.ask("y", None, at=3.333)
    world.run()
    assert world.began["y"] == pytest.approx(3.35)  # the step it comes into, and its own
    assert world.ended["x"] == pytest.approx(10.0)
