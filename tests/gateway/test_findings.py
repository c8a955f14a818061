"""What is wrong is said by the keys that were written, and of the form that comes nearest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.findings import findings


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"]
    lives: int

    @field_validator("lives")
    @classmethod
    def _not_too_many(cls, lives: int) -> int:
        if lives > 9:
            raise ValueError("a cat has nine")
        return lives


class Dog(BaseModel):
    kind: Literal["dog"]


class House(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    doors: str | Annotated[list[str], Field(min_length=1)] = "one"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pets": [{"kind": "cat"}]}, [("pets.0.lives", "Field required")]),
        ({"pets": [{"kind": "cat", "lives": 10}]}, [("pets.0.lives", "a cat has nine")]),
        (
            {"pets": [{"kind": "cat", "tail": 1}]},
            [
                ("pets.0.lives", "Field required"),
                ("pets.0.tail", "Extra inputs are not permitted"),
            ],
        ),
        ({"doors": 5}, [("doors", "Input should be a valid string")]),
        ({"doors": ["a", 5]}, [("doors.1", "Input should be a valid string")]),
        ({"doors": []}, [("doors", "List should have at least 1 item after validation, not 0")]),
    ],
)
def test_a_finding_has_the_key_that_was_written(given: Any, said: list[tuple[str, str]]) -> None:
    with pytest.raises(ValidationError) as caught:
        House.model_validate(given)
    assert [(each.key, each.message) for each in findings(caught.value, given)] == said
