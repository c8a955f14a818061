"""Whether an adapter's matrices fit each other, its configuration and a base model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.adapters.failures import BadAdapter, shown
from gateway.adapters.validation.base import Base, Sizes
from gateway.adapters.validation.header import Tensor
from gateway.adapters.validation.identity import likeness
from gateway.adapters.validation.matrices import Pair, Weights
from gateway.adapters.validation.patterns import Allowance, refuse_endless, valued
from gateway.adapters.validation.settings import Settings
from gateway.adapters.validation.unsupported import HEADS

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d{1,9})\.")
_SENSES = re.compile(r"(?:^|\.)(?:vision|visual|audio|image|multi_modal)[a-z_]*\.")
_EXPERTS = re.compile(r"\.experts(?:\.base_layer|\.w[123])?$")  # all of a layer in one tensor


@dataclass(slots=True)
class _Doubts:
    """What is odd, by the last name of the modules that it is odd of."""

    unknown: set[str] = field(default_factory=set)  # not in the tables
    senses: set[str] = field(default_factory=set)  # of what sees or hears
    stacked: set[str] = field(default_factory=set)  # experts in one tensor

    def told(self, base: Base | None) -> list[str]:
        architecture = base.sizes.architecture if base and base.sizes else ""
        lines = [
            (self.unknown, f"shapes that are not known of {shown(architecture)} are unchecked"),
            (self.senses, "modules that see or hear are unchecked"),
            (self.stacked, "experts in one tensor are unchecked beyond their rank"),
        ]
        return [f"{line}: {', '.join(sorted(names))}" for names, line in lines if names]


def fitting(settings: Settings, weights: Weights, base: Base | None) -> list[str]:
    """What is odd without being wrong. Raises BadAdapter for what is wrong."""
    doubts = _Doubts()
    allowance = Allowance()
    rank_of = valued(settings.r, settings.rank_pattern or {}, allowance)
    refuse_endless(settings, weights.pairs, allowance)
    sizes = base.sizes if base else None
    for module, pair in weights.pairs.items():
        a, b = _both(module, pair)
        if "experts" in module and _EXPERTS.search(module):
            _stacked(module, a, b, rank_of(module))
            doubts.stacked.add(last(module))
            continue
        shape = _shape(module, a, b, rank_of(module))
        if sizes and _SENSES.search(module):
            doubts.senses.add(last(module))
        elif sizes:
            _beside(module, shape, sizes, doubts)
    _heads(settings, weights.heads, sizes)
    _vocabulary(weights.unused, sizes)
    return [*_named(settings, base), *_left_over(settings, weights), *doubts.told(base)]


def last(module: str) -> str:
    """A module's own name."""
    return module.rpartition(".")[2]


def _both(module: str, pair: Pair) -> tuple[Tensor, Tensor]:
    if pair.a is None or pair.b is None:
        missing = "A" if pair.a is None else "B"
        raise BadAdapter("invalid", f"{shown(module)} has no lora_{missing}")
    for tensor in (pair.a, pair.b):
        if 0 in tensor.shape:
            raise BadAdapter(
                "invalid",
                f"{shown(tensor.name)} is empty: its parts were not gathered before it was saved",
            )
    return pair.a, pair.b


def _stacked(module: str, a: Tensor, b: Tensor, rank: int) -> None:
    """Experts that share a tensor: two dimensions in PEFT's way, three in others'."""
    if len(a.shape) == len(b.shape) == 2 and (a.shape[0] != b.shape[1] or a.shape[0] % rank):
        raise _ranked(module, a, b, rank)


def _shape(module: str, a: Tensor, b: Tensor, rank: int) -> tuple[int, int]:
    """What goes into the module and what comes out, as the two matrices have it."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise BadAdapter(
            "incompatible", f"{shown(module)} is no matrix: {list(a.shape)} and {list(b.shape)}"
        )
    if a.shape[0] != rank or b.shape[1] != rank:
        raise _ranked(module, a, b, rank)
    return a.shape[1], b.shape[0]


def _ranked(module: str, a: Tensor, b: Tensor, rank: int) -> BadAdapter:
    return BadAdapter(
        "invalid",
        f"{shown(module)} is to have rank {rank} by adapter_config.json, and has matrices of "
        f"{list(a.shape)} and {list(b.shape)}",
    )


def _beside(module: str, shape: tuple[int, int], sizes: Sizes, doubts: _Doubts) -> None:
    """Look at a module of the part that writes."""
    strict = sizes.family is not None
    layer = _LAYER.search(module)
    if layer and sizes.layers is not None and int(layer[1]) >= sizes.layers:
        raise BadAdapter(
            "incompatible", f"{shown(module)}: the base model has {sizes.layers} layers"
        )
    expected = sizes.shape(module)
    if expected is None and strict and last(module) not in HEADS:
        raise BadAdapter(
            "incompatible",
            f"{shown(module)}: the base model ({sizes.architecture}) has no such module",
        )
    if expected is None or None in expected:
        doubts.unknown.add(last(module))
    elif shape != expected:
        if strict:
            raise _misshapen(module, shape, expected)
        doubts.unknown.add(last(module))


def _misshapen(
    module: str, shape: tuple[int, int], expected: tuple[int | None, int | None]
) -> BadAdapter:
    return BadAdapter(
        "incompatible",
        f"{shown(module)} takes {shape[0]:,} numbers and gives {shape[1]:,}; in the base model it "
        f"takes {expected[0]:,} and gives {expected[1]:,}",
    )


def _heads(settings: Settings, heads: Iterable[Tensor], sizes: Sizes | None) -> None:
    """Full weights of a classification head: one matrix, and perhaps its bias."""
    hidden = sizes.of.get("hidden") if sizes else None
    saved = settings.modules_to_save or ()
    for tensor in heads:
        module, _, part = tensor.name.rpartition(".")
        if last(module) not in saved:
            raise BadAdapter("invalid", f"{shown(tensor.name)} is not named in modules_to_save")
        if len(tensor.shape) != (2 if part == "weight" else 1):
            raise BadAdapter("invalid", f"{shown(tensor.name)} has shape {list(tensor.shape)}")
        if part == "weight" and hidden and tensor.shape[1] != hidden:
            raise BadAdapter(
                "incompatible",
                f"{shown(tensor.name)} takes {tensor.shape[1]:,} numbers; the base model has "
                f"{hidden:,}",
            )


def _vocabulary(embeddings: Iterable[Tensor], sizes: Sizes | None) -> None:
    """PEFT saves a whole embedding, too, of a model that was given further tokens."""
    known = sizes.of.get("vocabulary") if sizes else None
    for tensor in embeddings:
        if known and tensor.shape and tensor.shape[0] != known:
            raise BadAdapter(
                "incompatible",
                f"it was trained with a vocabulary of {tensor.shape[0]:,}; the base model has "
                f"{known:,}",
            )


def _named(settings: Settings, base: Base | None) -> list[str]:
    """What the name of its base model gives reason to say."""
    theirs = settings.base_model_name_or_path or ""
    if base is None:
        return []
    match likeness(theirs, base.name):
        case "other":
            raise BadAdapter(
                "incompatible", f"it was trained on {shown(theirs)}, and not on {shown(base.name)}"
            )
        case "copy":
            return [f"it was trained on {shown(theirs)}, taken for a copy of {shown(base.name)}"]
        case "tuning":
            return [f"it was trained on {shown(theirs)}, another tuning of {shown(base.name)}"]
        case "unknown" if theirs:
            return [f"whether {shown(theirs)} is {shown(base.name)} cannot be told by the names"]
        case "unknown":
            return ["it does not say which model it was trained on"]
    return []


def _left_over(settings: Settings, weights: Weights) -> list[str]:
    lines = []
    if isinstance(settings.target_modules, list):
        there = {name for module in weights.pairs for name in module.split(".")}
        if absent := [m for m in settings.target_modules if last(m) not in there]:
            names = ", ".join(map(shown, absent[:5]))
            lines.append(f"target_modules names {names}, of which there are no weights")
    if weights.unused:
        lines.append("a whole embedding comes with it, which engines do not use")
    if len(weights.types) > 1:
        lines.append(f"its numbers are of several types: {', '.join(sorted(weights.types))}")
    return lines
