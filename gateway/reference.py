"""The configuration's reference, made from the fields themselves: `python -m gateway.reference`.

A test fails when CONFIGURATION.md differs from what this prints.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config import Config

HEAD = """# Configuration

One file, `moorline.toml`, or `--config FILE`; without one everything is embedded. An unknown key is
an error that names it. A value `"env:NAME"` is read from the environment, so that no secret stands
in the file. Made by `python -m gateway.reference > CONFIGURATION.md`.
"""


def reference() -> str:
    """All sections as Markdown tables."""
    return HEAD + "".join(_section("", Config, "Top level"))


def _section(path: str, model: type[BaseModel], title: str) -> Iterator[str]:
    rows, below = [], []
    for name, info in model.model_fields.items():
        where = f"{path}{name}"
        parts = list(_models(info.annotation))
        keyed = get_origin(info.annotation) is dict
        short = _may_be_text(info.annotation)  # where no more is to be said
        if parts:
            below += [(where + (".NAME" if keyed else ""), part) for part in parts]
        if not parts or keyed or short:
            rows.append(
                f"| `{name}` | {_type(info)} | {_default(info)} | {info.description or ''} |"
            )
    if rows:
        yield f"\n## {title}\n\n"
        if path and model.__doc__:
            yield f"{' '.join(model.__doc__.split())}\n\n"
        yield "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
        yield "\n".join(rows) + "\n"
    for where, part in below:
        kind = part.model_fields.get("kind")
        suffix = f" (kind = {_values(kind.annotation)})" if kind else ""
        yield from _section(f"{where}.", part, f"[{where}]{suffix}")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """What an entry of a list may be."""
    entry = get_args(annotation)[:1] if get_origin(annotation) is tuple else ()
    return get_args(entry[0]) if entry and get_origin(entry[0]) is types.UnionType else ()


def _may_be_text(annotation: Any) -> bool:
    """Whether a section, or one of a list, has a word that may stand for it."""
    words = (
        get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else ()
    )
    return str in _alternatives(annotation) or any(get_origin(each) is Literal for each in words)


def _type(info: FieldInfo) -> str:
    return _named(info.annotation).replace("|", "\\|")


def _named(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return _values(annotation)
    if origin in (typing.Union, types.UnionType):
        parts = [a for a in get_args(annotation) if a is not type(None)]
        return " or ".join(_named(part) for part in parts)
    if origin in (tuple, list):
        return f"list of {_named(get_args(annotation)[0])}"
    if origin is dict:
        sections = list(_models(annotation))
        return "a table a name" if sections else f"table of {_named(get_args(annotation)[1])}"
    if origin is typing.Annotated:
        return _named(get_args(annotation)[0])
    if annotation is SecretStr:
        return "secret"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return {str: "text", Path: "path", int: "integer", float: "number", bool: "true or false"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def _values(annotation: Any) -> str:
    return ", ".join(f'"{value}"' for value in get_args(annotation))


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(getattr(each, "name", str(each)) for each in value)
    return f"`{value}`"


if __name__ == "__main__":
    print(reference(), end="")
