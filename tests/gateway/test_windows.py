"""What counts for a model, and who is told when its window is nearly full."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import retrieval.rerankers.packaged
from context.config import ContextConfig
from context.types import Prompt
from gateway.config import ConfigError, parse
from gateway.providers.config import ExtractiveProvider, ModelConfig, OpenAICompatibleProvider
from gateway.tracing.trace import Span, Trace
from gateway.types import Ask
from gateway.windows import Windows, tokenizer_of
from routing.types import Plan, Target
from tests.gateway.asking import helped, span

PACKAGED = Path(str(retrieval.rerankers.packaged.__path__[0])) / "tokenizer.json"
TOOLS = [{"type": "function", "function": {"name": "weather"}}]


def provider(*models: ModelConfig) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(
        kind="openai-compatible", base_url="http://127.0.0.1:1/v1", models=models
    )


def plan(*names: str) -> Plan:
    return Plan.chain([Target("p", name, 1_000, 100) for name in names], "named")


def prompt(total: int, **parts: int) -> Prompt:
    told = {"system": 10, "question": 10, "total": total, "answer": 100, "window": 1_000}
    return Prompt((), tokens=told | parts)


def noted(windows: Windows, packed: Prompt, *names: str) -> list[str]:
    span: Span = Trace().span("pack")
    windows.watch(packed, plan(*names), span)
    notes: list[str] = span.attributes.get("notes", [])
    return notes


def test_a_model_is_counted_by_the_file_that_is_configured() -> None:
    model = ModelConfig(name="qwen3", tokenizer=PACKAGED.parent)
    assert model.tokenizer == PACKAGED
    assert tokenizer_of(provider(model), model).exact


def test_a_model_whose_name_is_a_folder_is_counted_by_what_is_in_it(tmp_path: Path) -> None:
    shutil.copy(PACKAGED, tmp_path)
    model = ModelConfig(name=str(tmp_path))
    assert tokenizer_of(provider(model), model).exact


def test_a_deployment_is_counted_as_what_it_is_listed_as() -> None:
    model = ModelConfig(name="ours", listed_as="azure/gpt-4o")
    assert tokenizer_of(provider(model), model).name == "o200k_base"


def test_the_built_in_model_counts_as_the_gateway_does() -> None:
    built_in = ExtractiveProvider(kind="extractive")
    assert tokenizer_of(built_in, built_in.models[0]).exact


def test_a_folder_without_a_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    text = f"""
    [providers.p]
    kind = "vllm"
    base_url = "http://127.0.0.1:1/v1"
    models = [{{ name = "m", tokenizer = "{tmp_path}" }}]
    """
    with pytest.raises(ConfigError, match="neither"):
        parse(text, "moorline.toml")


def test_shares_of_a_task_that_there_is_not_are_refused() -> None:
    with pytest.raises(ConfigError, match="poetry"):
        parse("[context.tasks.poetry]\nanswer = 0.2\n", "moorline.toml")


def test_what_fits_a_plan_fits_each_of_its_models() -> None:
    models = ModelConfig(name="gpt-4o"), ModelConfig(name="qwen3")
    windows = Windows(ContextConfig(), {"p": provider(*models)})
    both, one = (windows.tokenizer(plan(*names)) for names in (("gpt-4o", "qwen3"), ("gpt-4o",)))
    assert both("12345678") > one("12345678")
    assert one.exact
    assert windows.tokenizer(plan("gpt-4o", "qwen3")) is both


def test_what_goes_along_is_counted_and_bounded() -> None:
    told = ModelConfig(name="gpt-4o", system_prompt="Be brief. " * 50)
    windows = Windows(ContextConfig(), {"p": provider(told)})
    ask = Ask("m", (), "", {"tools": TOOLS, "response_format": {"type": "json_object"}})
    beside = windows.beside(ask, plan("gpt-4o"), windows.tokenizer(plan("gpt-4o")))
    assert set(beside) == {"tools", "form", "model's own"}
    assert windows.most_beside(ask, plan("gpt-4o")) >= sum(beside.values())


def test_a_nearly_full_window_is_noted_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    windows = Windows(ContextConfig(), {"p": provider(ModelConfig(name="gpt-4o"))}, heard.append)
    with caplog.at_level(logging.WARNING, "moorline"):
        assert noted(windows, prompt(690), "gpt-4o") == []
        for _ in range(2):
            assert "80% full" in noted(windows, prompt(700), "gpt-4o")[0]
    assert heard == ["p/gpt-4o", "p/gpt-4o"]
    assert len(caplog.records) == 1


def test_a_part_beyond_its_share_and_an_estimate_are_noted() -> None:
    windows = Windows(ContextConfig(), {"p": provider(ModelConfig(name="claude-x"))})
    system, estimate = noted(windows, prompt(300, system=200), "claude-x")
    assert "system takes 200 tokens" in system
    assert "within 16%" in estimate


def test_a_tasks_shares_are_what_is_watched() -> None:
    config = ContextConfig.model_validate(
        {"tasks": {"code": {"system": 0.3, "sources": 0.1, "history": 0.1}}}
    )
    windows = Windows(config, {"p": provider(ModelConfig(name="gpt-4o"))})
    long = prompt(300, system=200)
    asked = replace(long, question="def f(x): how do I debug this method?")
    assert len(noted(windows, long, "gpt-4o")) == 1
    assert noted(windows, asked, "gpt-4o") == []


def test_a_task_has_its_shares() -> None:
    config = ContextConfig.model_validate({"tasks": {"code": {"answer": 0.2, "sources": 0.4}}})
    windows = Windows(config, {})
    assert windows.shares("def f(x): how do I debug this method?").answer == 0.2
    assert windows.shares("How long do I have?").answer == 0.15


@pytest.mark.anyio
async def test_trace_answer_and_ledger_have_the_same_counts_by_part(tmp_path: Path) -> None:
    async with helped(tmp_path, "") as helping:
        done, spans = await helping.told("May I send goods back?")
        ((row, _),) = helping.rows
    assert row.context["sources"] > 0
    assert row.context == done.tokens == span(spans, "pack").attributes["tokens"]
