"""Requests with their tasks, for fitting and for reporting."""

from __future__ import annotations

from pathlib import Path

from eval.train.tasks.fitting import NAMES
from eval.train.tasks.material import requests


def test_every_task_is_on_both_sides_and_no_request_is(shared_data: Path) -> None:
    train, test = (requests(shared_data, part) for part in ("train", "test"))
    for part in (train, test):
        assert {each.task for each in part} == set(NAMES)
    asked = {each.text for each in train}
    both = [each for each in test if each.text in asked]
    assert len(both) < 5, both  # small talk that CLINC has twice


def test_the_same_requests_are_drawn_each_time(shared_data: Path) -> None:
    assert requests(shared_data, "train") == requests(shared_data, "train")
