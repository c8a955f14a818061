"""Names of base models that are one, near to one, or another."""

from __future__ import annotations

import pytest

from gateway.adapters.validation.identity import likeness


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", "same"),
        ("Qwen/qwen2.5-7b", "qwen/Qwen2.5-7B", "same"),
        ("/cache/hub/models--Qwen--Qwen3-8B/snapshots/0a1b/", "Qwen/Qwen3-8B", "same"),
        ("unsloth/Meta-Llama-3.1-8B-bnb-4bit", "meta-llama/Llama-3.1-8B", "copy"),
        ("unsloth/Qwen3-8B-unsloth-bnb-4bit", "Qwen/Qwen3-8B", "copy"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-7B-Instruct-AWQ", "copy"),
        ("neuralmagic/Qwen3-8B-quantized.w4a16", "Qwen/Qwen3-8B", "copy"),
        ("meta-llama/Llama-2-7b-hf", "NousResearch/Llama-2-7b", "copy"),
        ("/models/Qwen3-8B", "Qwen/Qwen3-8B", "copy"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "tuning"),
        ("google/gemma-2-9b", "google/gemma-2-9b-it", "tuning"),
        ("/home/me/merged", "Qwen/Qwen3-8B", "unknown"),
        ("", "Qwen/Qwen3-8B", "unknown"),
        ("mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.3", "other"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-14B", "other"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-8B", "other"),
    ],
)
def test_names_are_compared_as_people_mean_them(theirs: str, ours: str, found: str) -> None:
    assert likeness(theirs, ours) == found
