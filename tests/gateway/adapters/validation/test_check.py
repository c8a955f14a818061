"""Whole adapters are described, damaged ones refused, each with a reason of its own."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.failures import BadAdapter
from gateway.adapters.validation.check import checked
from tests.gateway.adapters.made import (
    adapter,
    base,
    config,
    described,
    llama,
    packed,
    pair,
)

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
Damage = Callable[[Path], object]


def refused(folder: Path, **how: Any) -> tuple[str, str]:
    with pytest.raises(BadAdapter) as error:
        checked(folder, **({"base": base()} | how))
    return error.value.kind, error.value.reason


def test_says_what_an_adapter_is(tmp_path: Path) -> None:
    facts = checked(adapter(tmp_path / "a"), base())
    assert (facts.base, facts.rank, facts.alpha) == ("acme/llama-tiny", 8, 16)
    assert facts.targets == (
        *("down_proj", "gate_proj", "k_proj", "o_proj"),
        *("q_proj", "up_proj", "v_proj"),
    )
    assert (facts.dtype, facts.warnings) == ("bfloat16", ())
    assert facts.size == (tmp_path / "a" / WEIGHTS).stat().st_size


def test_the_digest_is_what_a_shell_says(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    said = subprocess.run(
        f"sha256sum {CONFIG} {WEIGHTS} | sha256sum", shell=True, cwd=folder, capture_output=True
    )
    assert checked(folder).digest == said.stdout.split()[0].decode()


def test_without_a_base_model_its_own_words_are_checked(tmp_path: Path) -> None:
    assert checked(adapter(tmp_path / "a", base_model_name_or_path=None)).base == ""


def write(name: str, data: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(data)


def rewritten(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Weights with another header over the same numbers."""

    def damage(folder: Path) -> None:
        table = described(llama())
        numbers = packed(table)[-max(each["data_offsets"][1] for each in _tensors(table)) :]
        change(table)
        (folder / WEIGHTS).write_bytes(packed(table, numbers))

    return damage


def _tensors(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [said for name, said in table.items() if name != "__metadata__"]


def configured(**changed: Any) -> Damage:
    return lambda folder: (folder / CONFIG).write_text(json.dumps(config(**changed)))


def shaped(shapes: dict[str, tuple[int, ...]], dtype: str = "BF16", **changed: Any) -> Damage:
    return lambda folder: adapter(folder, shapes, dtype=dtype, **changed)


def cut(size: int) -> Damage:
    return lambda folder: os.truncate(folder / WEIGHTS, size)


def replaced(name: str, data: bytes) -> Damage:
    """Other weights instead."""

    def damage(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(data)

    return damage


def linked(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "elsewhere")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere")


def piped(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def first(table: dict[str, Any]) -> dict[str, Any]:
    return _tensors(table)[0]


def moved(by: int) -> Callable[[dict[str, Any]], object]:
    """The first tensor and the second: apart, or one over the other."""

    def change(table: dict[str, Any]) -> None:
        for said in _tensors(table)[1:]:
            said["data_offsets"] = [place + by for place in said["data_offsets"]]

    return change


Q = "model.layers.0.self_attn.q_proj"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
DAMAGED: dict[str, tuple[Damage, str, str]] = {
    # Nothing there, or what must not be read.
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "not_found", f"there is no {WEIGHTS}"),
    "no config": (lambda f: (f / CONFIG).unlink(), "not_found", f"there is no {CONFIG}"),
    "pickled": (replaced("adapter_model.bin", b"x"), "insecure", "its weights are pickled"),
    "a link": (linked, "insecure", f"{WEIGHTS} is a link"),
    "a pipe": (piped, "insecure", f"{WEIGHTS} is no plain file"),
    "in parts": (
        replaced("adapter_model-00001-of-00002.safetensors", b"x"),
        "incompatible",
        "its weights are split up",
    ),
    # Damaged files.
    "empty": (cut(0), "corrupt", f"{WEIGHTS}: it is empty"),
    "cut in the length": (cut(5), "corrupt", f"{WEIGHTS}: it breaks off in its header"),
    "cut in the header": (cut(300), "corrupt", f"{WEIGHTS}: it breaks off in its header: 300"),
    "cut in the numbers": (cut(20_000), "corrupt", f"{WEIGHTS}: it breaks off: 20,000 bytes"),
    "a pointer": (write(WEIGHTS, POINTER), "corrupt", f"{WEIGHTS}: it is a pointer of Git LFS"),
    "a page": (write(WEIGHTS, b"<!DOCTYPE html>"), "corrupt", f"{WEIGHTS}: it is an HTML page"),
    "a zip": (write(WEIGHTS, b"PK\3\4" + bytes(99)), "corrupt", f"{WEIGHTS}: it is no safetensors"),
    "an endless header": (
        write(WEIGHTS, (2**62).to_bytes(8, "little") + b"{}"),
        "corrupt",
        f"{WEIGHTS}: a header of 4,611,686,018,427,387,904 bytes is too large",
    ),
    "no JSON": (write(WEIGHTS, packed(b"{nothing", b"")), "corrupt", "is no JSON: Expecting"),
    "deep JSON": (
        write(WEIGHTS, packed(b'{"a":' * 99_999, b"")),
        "corrupt",
        f"{WEIGHTS}: its header is no JSON: it is nested too deeply",
    ),
    "no UTF-8": (write(WEIGHTS, packed(b'{"\xff', b"")), "corrupt", "is no JSON: it is not UTF-8"),
    "a name twice": (
        write(WEIGHTS, packed(b'{"a": {}, "a": {}}', b"")),
        "corrupt",
        f"{WEIGHTS}: 'a' comes twice",
    ),
    "overlapping": (rewritten(moved(-2)), "corrupt", "overlaps another tensor"),
    "with a gap": (rewritten(moved(2)), "corrupt", "follows after a gap"),
    "too long": (
        lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes() + b"12345"),
        "corrupt",
        f"{WEIGHTS}: 5 bytes at its end belong to no tensor",
    ),
    "another size": (
        rewritten(lambda table: first(table).update(shape=[8, 65])),
        "corrupt",
        "which is not what BF16 of shape [8, 65] takes",
    ),
    "an unknown type": (
        rewritten(lambda table: first(table).update(dtype="F99")),
        "corrupt",
        "is not described by a known dtype, a shape",
    ),
    "a negative place": (
        rewritten(lambda table: first(table).update(data_offsets=[-2, 1022])),
        "corrupt",
        "is not described by a known dtype, a shape and data_offsets",
    ),
    "config is a page": (write(CONFIG, b"<html>"), "corrupt", f"{CONFIG}: it is an HTML page"),
    "config is cut": (write(CONFIG, b'{"r": 8, '), "corrupt", f"{CONFIG}: Invalid JSON"),
    # Whole files that contradict themselves.
    "rank in words": (configured(r="8"), "invalid", f"{CONFIG}: r: Input should be a valid int"),
    "rank zero": (configured(r=0), "invalid", f"{CONFIG}: r: Input should be greater than"),
    "no number": (configured(lora_alpha=float("nan")), "invalid", f"{CONFIG}: lora_alpha: Input"),
    "another rank": (configured(r=16), "invalid", "is to have rank 16 by adapter_config.json"),
    "an endless expression": (
        configured(rank_pattern={r"(?:\w|\w|.)+\d": 4}),
        "invalid",
        "+\\\\d)$' takes too long to match",
    ),
    "half a pair": (
        shaped({key: shape for key, shape in llama().items() if f"{Q}.lora_B" not in key}),
        "invalid",
        f"'{Q}' has no lora_B",
    ),
    "not gathered": (
        shaped(llama() | {f"base_model.model.{Q}.lora_A.weight": (0,)}),
        "invalid",
        "is empty: its parts were not gathered",
    ),
    "with a name": (
        shaped({f"base_model.model.{Q}.lora_A.default.weight": (8, 64)}),
        "invalid",
        "it bears an adapter's name",
    ),
    "whole numbers": (shaped(llama(), dtype="I8"), "invalid", "is I8, no real numbers"),
    "no matrices": (shaped({}), "invalid", "its weights hold no LoRA matrices"),
    # Good adapters of something else.
    "another layer": (
        shaped(llama(layers=3)),
        "incompatible",
        "'model.layers.2.self_attn.q_proj': the base model has 2 layers",
    ),
    "another width": (
        shaped(llama() | pair(Q, 8, 128, 64)),
        "incompatible",
        f"'{Q}' takes 128 numbers and gives 64; in the base model it takes 64 and gives 64",
    ),
    "as many keys as queries": (
        shaped(llama() | pair("model.layers.0.self_attn.k_proj", 8, 64, 64)),
        "incompatible",
        "takes 64 numbers and gives 64; in the base model it takes 64 and gives 32",
    ),
    "another architecture": (
        shaped(llama() | pair("transformer.h.0.attn.c_attn", 8, 64, 192)),
        "incompatible",
        "the base model (llama) has no such module",
    ),
    "another vocabulary": (
        shaped(
            {
                "base_model.model.model.embed_tokens.lora_embedding_A": (8, 600),
                "base_model.model.model.embed_tokens.lora_embedding_B": (64, 8),
            }
        ),
        "incompatible",
        "takes 600 numbers and gives 64; in the base model it takes 512",
    ),
    "a convolution": (
        shaped(
            {
                "base_model.model.conv.lora_A.weight": (8, 3, 3, 3),
                "base_model.model.conv.lora_B.weight": (16, 8, 1, 1),
            }
        ),
        "incompatible",
        "'conv' is no matrix: [8, 3, 3, 3] and [16, 8, 1, 1]",
    ),
    "another model": (
        configured(base_model_name_or_path="acme/qwen-7b"),
        "incompatible",
        "it was trained on 'acme/qwen-7b', and not on 'acme/llama-tiny'",
    ),
    "another method": (configured(peft_type="IA3"), "incompatible", "peft_type is 'IA3'"),
    "DoRA": (configured(use_dora=True), "incompatible", "DoRA is not served: train"),
    "DoRA's tensors": (
        shaped(llama() | {f"base_model.model.{Q}.lora_magnitude_vector": (64,)}),
        "incompatible",
        "lora_magnitude_vector': DoRA is not served",
    ),
    "biases": (configured(bias="all"), "incompatible", "trained biases (bias = 'all')"),
    "LoRA's biases": (configured(lora_bias=True), "incompatible", "(lora_bias) is not served"),
    "aLoRA": (configured(alora_invocation_tokens=[1]), "incompatible", "(aLoRA) is not served"),
    "layers twice": (configured(layer_replication=[[0, 2]]), "incompatible", "replicated layers"),
    "BD-LoRA": (configured(use_bdlora={"nblocks": 2}), "incompatible", "(BD-LoRA) is not served"),
    "a library to be imported": (
        configured(megatron_config={"x": 1}, megatron_core="antigravity"),
        "incompatible",
        "(megatron_config) is not served",
    ),
    "QALoRA": (configured(use_qalora=True), "incompatible", "QALoRA is not served"),
    "trained tokens": (configured(trainable_token_indices=[1]), "incompatible", "trained tokens"),
    "PiSSA": (configured(init_lora_weights="pissa_niter_4"), "incompatible", "'pissa_niter_4' ch"),
    "whole modules": (
        configured(modules_to_save=["lm_head", "score"]),
        "incompatible",
        "full weights are served of classifier and score alone, not of 'lm_head'",
    ),
    "a whole matrix": (
        shaped(llama() | {"base_model.model.model.norm.weight": (64,)}),
        "incompatible",
        "it is no part of a LoRA",
    ),
}


@pytest.mark.parametrize(("damage", "kind", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_adapter_is_refused(
    tmp_path: Path, damage: Damage, kind: str, reason: str
) -> None:
    folder = adapter(tmp_path / "a")
    damage(folder)
    found = refused(folder)
    assert found[0] == kind
    assert reason in found[1]


def test_each_damage_has_its_own_reason() -> None:
    assert len({reason for _, _, reason in DAMAGED.values()}) == len(DAMAGED)


def test_a_rank_beyond_the_engines_room_says_what_to_start_them_with(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a", llama(24), r=24)
    assert checked(folder, base(), max_rank=32).rank == 24
    assert refused(folder, max_rank=16) == (
        "incompatible",
        "its rank is 24, engines take 16: start them with --max-lora-rank 32",
    )


def test_ranks_may_differ_by_module(tmp_path: Path) -> None:
    shapes = llama() | pair(Q, 2, 64, 64) | pair("model.layers.1.mlp.up_proj", 32, 64, 160)
    pattern = {"layers.0.self_attn.q_proj": 2, r".*\.1\..*up_proj": 32, "q_proj": 8}
    assert checked(adapter(tmp_path / "a", shapes, rank_pattern=pattern), base()).rank == 32


ENDLESS = r"(?:\w|\w|.)+\d"


@pytest.mark.parametrize(
    "key", ["alpha_pattern", "target_modules", "exclude_modules", "layers_pattern"]
)
def test_no_expression_holds_an_engine_up(tmp_path: Path, key: str) -> None:
    value: Any = {ENDLESS: 1.0} if key == "alpha_pattern" else ENDLESS
    kind, reason = refused(adapter(tmp_path / "a", **{key: value}))
    assert kind == "invalid"
    assert "takes too long to match" in reason


def test_what_is_no_expression_is_refused(tmp_path: Path) -> None:
    assert "'(' is none" in refused(adapter(tmp_path / "a", rank_pattern={"(": 4}))[1]
    many = {f"{n}|x": 4 for n in range(100)}
    assert "100 of them" in refused(adapter(tmp_path / "a", rank_pattern=many))[1]


def test_a_number_that_is_none_is_found_where_it_is_looked_for(tmp_path: Path) -> None:
    table = described(llama(), "F32")
    size = max(said["data_offsets"][1] for said in _tensors(table))
    numbers = bytes(size - 4) + struct.pack("<f", float("nan"))
    folder = adapter(tmp_path / "a", weights=packed(table, numbers))
    assert checked(folder, base()).dtype == "float32"
    assert refused(folder, finite=True)[0] == "corrupt"
    assert checked(adapter(tmp_path / "b"), base(), finite=True)


def test_a_classification_head_may_come_with_it(tmp_path: Path) -> None:
    shapes = llama() | {"base_model.model.score.weight": (3, 64)}
    folder = adapter(tmp_path / "a", shapes, modules_to_save=["classifier", "score"])
    assert checked(folder, base()).rank == 8
    shapes["base_model.model.score.weight"] = (3, 65)
    folder = adapter(tmp_path / "a", shapes, modules_to_save=["score"])
    assert refused(folder)[0] == "incompatible"


def test_of_an_unknown_architecture_doubts_are_told(tmp_path: Path) -> None:
    shapes = llama() | pair("model.layers.0.mixer.in_proj", 8, 64, 99)
    unknown = base(model_type="mamba9")
    assert checked(adapter(tmp_path / "a", shapes), unknown).warnings == (
        "shapes that are not known of 'mamba9' are unchecked: in_proj",
    )
    assert refused(adapter(tmp_path / "a", llama(layers=3)), base=unknown)[0] == "incompatible"


def test_experts_in_one_tensor_are_checked_by_their_rank(tmp_path: Path) -> None:
    experts = "model.layers.0.mlp.experts"
    shapes = pair(experts, 32, 64, 160) | pair(f"{experts}.base_layer", 32, 160, 64)
    moe = base(model_type="qwen3_moe", num_experts=4)
    facts = checked(adapter(tmp_path / "a", shapes, target_modules=None), moe)
    assert facts.warnings == (
        "experts in one tensor are unchecked beyond their rank: base_layer, experts",
    )
    shapes = pair(experts, 33, 64, 160)
    assert refused(adapter(tmp_path / "a", shapes), base=moe)[0] == "invalid"


def test_each_expert_has_its_own_size(tmp_path: Path) -> None:
    moe = base(model_type="qwen3_moe", moe_intermediate_size=48, num_experts=4)
    shapes = pair("model.layers.1.mlp.experts.3.down_proj", 8, 48, 64)
    assert checked(adapter(tmp_path / "a", shapes, target_modules=None), moe).warnings == ()
    shapes = pair("model.layers.1.mlp.experts.3.down_proj", 8, 160, 64)
    assert refused(adapter(tmp_path / "a", shapes), base=moe)[0] == "incompatible"


def test_what_sees_is_left_to_the_engine(tmp_path: Path) -> None:
    shapes = llama() | pair("model.vision_tower.encoder.layers.26.mlp.fc1", 8, 1152, 4304)
    assert checked(adapter(tmp_path / "a", shapes), base()).warnings == (
        "modules that see or hear are unchecked: fc1",
    )


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    embedding = {"base_model.model.model.embed_tokens.base_layer.weight": (512, 64)}
    folder = adapter(
        tmp_path / "a",
        llama() | embedding,
        target_modules=["q_proj", "w_pack"],
        base_model_name_or_path="unsloth/Llama-Tiny-bnb-4bit",
    )
    assert checked(folder, base()).warnings == (
        "it was trained on 'unsloth/Llama-Tiny-bnb-4bit', taken for a copy of 'acme/llama-tiny'",
        "target_modules names 'w_pack', of which there are no weights",
        "a whole embedding comes with it, which engines do not use",
    )
