"""A prompt's file: a head that says what it is for, and a text with variables.

The head is TOML between two lines of `+++`; the text follows. `{name}` stands for a variable that
the head declares; any other brace is a brace. Knows neither folders nor which version is in use.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from context.quoting import harmless

FILE = re.compile(r"(?P<name>[a-z][a-z0-9_]*)\.v(?P<version>[1-9][0-9]*)\.txt")
_HEAD = re.compile(r"\+\+\+\n(?P<head>.*?)^\+\+\+\n(?P<text>.*)", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class BadPrompt(Exception):
    """A file that is no prompt, or values that do not fit one; the message names it."""


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a prompt."""

    name: str
    version: int
    about: str  # what it is for
    language: str
    variables: Mapping[str, str]  # what each one is
    text: str
    packaged: bool = True  # no file of the operator's

    @property
    def id(self) -> str:
        """As traces and commands name it."""
        return f"{self.name}@v{self.version}"

    def render(self, **values: str) -> str:
        """The text with these values, none of which can be read as a tag or as a variable.

        Raises BadPrompt unless there is exactly one value for each variable."""
        if values.keys() != self.variables.keys():
            raise BadPrompt(f"{self.id}: {_differing(values.keys(), self.variables.keys())}")
        safe = {name: harmless(value) for name, value in values.items()}
        return _VARIABLE.sub(lambda found: safe[found[1]], self.text)


def template(file: str, content: str, *, packaged: bool) -> Template:
    """What a file of this name says. Raises BadPrompt."""
    named, parts = FILE.fullmatch(file), _HEAD.fullmatch(content)
    if named is None:
        raise BadPrompt(f"{file}: a prompt is called NAME.vN.txt, in small letters.")
    if parts is None:
        raise BadPrompt(f"{file}: it does not begin with a head between two lines of +++.")
    head = _head(file, parts["head"])
    text, variables = parts["text"].strip(), head["variables"]
    used = set(_VARIABLE.findall(text))
    if used != variables.keys():
        raise BadPrompt(f"{file}: in its text, {_differing(used, variables.keys())}")
    version = int(named["version"])
    return Template(
        named["name"], version, head["about"], head["language"], variables, text, packaged
    )


def _head(file: str, written: str) -> dict[str, Any]:
    try:
        head = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise BadPrompt(f"{file}: its head is not TOML: {error}.") from None
    head.setdefault("variables", {})
    if head.keys() != {"about", "language", "variables"}:
        raise BadPrompt(f"{file}: a head has `about`, `language` and, if any, `[variables]`.")
    if not all(isinstance(each, str) for each in (head["about"], head["language"])):
        raise BadPrompt(f"{file}: `about` and `language` are texts.")
    described = head["variables"]
    if not isinstance(described, dict) or not all(isinstance(v, str) for v in described.values()):
        raise BadPrompt(f"{file}: each of `[variables]` is a name and a text that describes it.")
    return head


def _differing(given: Any, wanted: Any) -> str:
    """What is missing and what is too much, of variables."""
    missing = ", ".join(f"{{{name}}}" for name in sorted(wanted - given))
    unknown = ", ".join(f"{{{name}}}" for name in sorted(given - wanted))
    said = [f"{missing} is missing"] if missing else []
    return "; ".join([*said, *([f"{unknown} is unknown"] if unknown else [])]) + "."
