"""What has to hold of a prompt, whatever its wording: cases with values, and what they must show.

A file of cases belongs to a prompt's name, so a new version is held to what the old ones promised.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from context.prompts.template import BadPrompt, Template


@dataclass(frozen=True, slots=True)
class Case:
    """One of them. Without `versions` it holds for all."""

    prompt: str
    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    contains: Sequence[str] = ()
    lacks: Sequence[str] = ()
    versions: Sequence[str] = ()

    def failures(self, template: Template) -> Iterator[str]:
        """What does not hold of this version, in words."""
        if self.versions and f"v{template.version}" not in self.versions:
            return
        try:
            text = template.render(**self.variables)
        except BadPrompt as error:
            yield f"{self.name}: {error}"
            return
        for each in self.contains:
            if each not in text:
                yield f"{template.id}: {self.name}: it lacks {each!r}"
        for each in self.lacks:
            if each in text:
                yield f"{template.id}: {self.name}: it contains {each!r}"


_KEYS = {
    "name": str,
    "variables": dict,
    "contains": list,
    "lacks": list,
    "versions": list,
}


def cases(prompt: str, file: str, content: str) -> list[Case]:
    """A file's cases. Raises BadPrompt."""
    try:
        raw = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise BadPrompt(f"{file}: it is not TOML: {error}.") from None
    if raw.keys() != {"case"} or not isinstance(raw["case"], list):
        raise BadPrompt(f"{file}: it has tables [[case]] and nothing else.")
    return [_case(prompt, file, each) for each in raw["case"]]


def _case(prompt: str, file: str, raw: Any) -> Case:
    if not isinstance(raw, dict):
        raise BadPrompt(f"{file}: it has tables [[case]] and nothing else.")
    for key, value in raw.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]):
            raise BadPrompt(f"{file}: `{key}` of a case: no such key, or it is of another kind.")
        texts = value.values() if isinstance(value, dict) else value
        if not all(isinstance(each, str) for each in texts):
            raise BadPrompt(f"{file}: `{key}` of a case: it has something else than texts.")
    if "name" not in raw:
        raise BadPrompt(f"{file}: a case has no `name`.")
    return Case(prompt, **raw)
