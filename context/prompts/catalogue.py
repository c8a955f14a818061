"""All prompts, and which version of each is in use: the latest, or the one that is pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from context.prompts.cases import Case, cases
from context.prompts.template import BadPrompt, Template, template

CASES = ".cases.toml"


class Prompts:
    """All of them. Of two files for one version the later one counts."""

    def __init__(self, templates: Iterable[Template], pinned: Mapping[str, str]) -> None:
        self._versions: dict[str, dict[str, Template]] = {}
        for each in templates:
            versions = self._versions.setdefault(each.name, {})
            _alike(each, next(iter(versions.values()), each))
            versions[f"v{each.version}"] = each
        self._used = {name: self.versions(name)[-1] for name in self._versions}
        for name, version in pinned.items():
            self._used[name] = self.named(f"{name}@{version}")

    def names(self) -> list[str]:
        """Every prompt's."""
        return sorted(self._versions)

    def versions(self, name: str) -> list[Template]:
        """Of one prompt, the oldest first. Raises BadPrompt."""
        if name not in self._versions:
            raise BadPrompt(f"There is no prompt {name!r}; there are {', '.join(self.names())}.")
        return sorted(self._versions[name].values(), key=lambda each: each.version)

    def used(self, name: str) -> Template:
        """The version in use. Raises BadPrompt."""
        return self._used[self.versions(name)[0].name]

    def named(self, name: str) -> Template:
        """What `NAME` or `NAME@vN` means. Raises BadPrompt."""
        name, _, version = name.partition("@")
        known = {f"v{each.version}": each for each in self.versions(name)}
        if version and version not in known:
            raise BadPrompt(f"There is no {name}@{version}; there are {', '.join(known)}.")
        return known[version] if version else self.used(name)

    @property
    def digest(self) -> str:
        """Of all that is in use: another one where a model may be told something else."""
        told = sorted(f"{each.id}\n{each.text}" for each in self._used.values())
        return hashlib.sha256("\0".join(told).encode()).hexdigest()


def opened(folder: Path | None = None, pinned: Mapping[str, str] | None = None) -> Prompts:
    """The packaged prompts with those of a folder. Reads files. Raises BadPrompt."""
    own = _read(_existing(folder), packaged=False) if folder else ()
    return Prompts([*_packaged(), *own], pinned or {})


def all_cases(prompts: Prompts, folder: Path | None = None) -> list[Case]:
    """What has to hold of them. Reads files. Raises BadPrompt."""
    found: list[Case] = []
    for place in [files(__package__), *([_existing(folder)] if folder else [])]:
        for file in sorted(place.iterdir(), key=lambda file: file.name):
            if file.name.endswith(CASES):
                name = file.name.removesuffix(CASES)
                prompts.versions(name)
                found += cases(name, file.name, _text(file))
    return found


@cache
def _packaged() -> tuple[Template, ...]:
    return tuple(_read(files(__package__), packaged=True))


def _read(folder: Traversable, *, packaged: bool) -> Iterator[Template]:
    for file in folder.iterdir():
        if file.name.endswith(".txt"):
            yield template(file.name, _text(file), packaged=packaged)


def _text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPrompt(f"{file.name}: it cannot be read: {error}.") from None


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise BadPrompt(f"{folder} is no folder.")
    return folder


def _alike(each: Template, first: Template) -> None:
    """What is put in is the same for every version, so each has to have room for all of it."""
    if each.variables.keys() != first.variables.keys():
        wanted = ", ".join(f"{{{name}}}" for name in first.variables) or "none"
        raise BadPrompt(f"{each.id}: the variables of this prompt are: {wanted}.")
