"""A search taken apart: here, and by a gateway that holds the index."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import Config
from gateway.control import Control
from gateway.searching import Afar, Found, Searching, as_dict, from_dict, opened
from retrieval.types import RetrievalError
from tests.gateway.asking import CONFIG, COST, completion
from tests.gateway.providers.scripted import scripted
from tests.serving import serving

ASKED = Searching("How long is the warranty of the pump?", "docs", top_k=1)
DOCUMENTS = {
    "warranty.md": "# Pump\n\nIts warranty is of two years.\n\n# Hose\n\nThe hose has none.",
    "travel.md": "# Travel\n\nTravel expenses are refunded against receipts.",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """With a collection of three sections in its data folder."""
    folder = tmp_path_factory.mktemp("searching")
    for name, text in DOCUMENTS.items():
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs" / name).write_text(text)
    file = folder / "moorline.toml"
    file.write_text(f"data = {json.dumps(str(folder / 'data'))}\n")
    done = run("ingest", folder / "docs", "--collection", "docs", "--config", file)
    assert done.exit_code == 0, done.output
    return Config(data=folder / "data")


@pytest.fixture(scope="module")
def gateway(config: Config) -> Iterator[str]:
    with serving(config, control_token="for-tests") as served:
        yield served.url


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def timeless(found: Found) -> Found:
    return replace(found, encode_ms=0, search_ms=0)


@pytest.mark.anyio
async def test_each_stage_and_what_was_dropped_is_told(config: Config) -> None:
    async with opened(config) as searcher:
        found = await searcher.found(ASKED)
    (served,) = found.served
    assert (served.document, served.section) == ("warranty.md", "Pump")
    assert served.ranks == {"bm25": 1, "dense": 1, "fused": 1}
    assert set(served.scores) == {"bm25", "dense", "fused"}
    assert "warranti" in found.terms
    assert [place.rank for place in found.stages["dense"]] == [1, 2, 3]
    assert {place.document for place in found.dropped["below the first 1"]} == set(DOCUMENTS)


@pytest.mark.anyio
async def test_a_collection_that_is_not_there_is_named(config: Config) -> None:
    async with opened(config) as searcher:
        with pytest.raises(RetrievalError, match="'none'"):
            await searcher.found(replace(ASKED, collection="none"))


@pytest.mark.anyio
async def test_a_sample_has_one_passage_of_a_document(config: Config) -> None:
    async with opened(config) as searcher:
        sample = await searcher.sample("docs", 10)
    assert sorted(one.document for one in sample) == sorted(DOCUMENTS)
    assert {one.document: one.siblings for one in sample} == {"warranty.md": 1, "travel.md": 0}


def test_what_goes_over_the_wire_comes_back_as_it_was(config: Config) -> None:
    printed = run_search(config, "--json")
    found = from_dict(json.loads(printed))
    assert as_dict(found) == json.loads(printed)


def test_the_command_shows_ranks_scores_and_reasons(config: Config) -> None:
    printed = run_search(config, "--explain", "--top", "1")
    assert printed.startswith(" 1. warranty.md")
    assert "BM25 #1 (" in printed
    assert "fused #1 (" in printed
    assert "dropped, below the first 1: 2 passages" in printed


def test_the_command_shows_what_else_was_looked_for(config: Config) -> None:
    file = config.data.parent / "moorline.toml"
    asked = ("search", "What is the waranty?", "--collection", "docs", "--explain")
    printed = run(*asked, "--config", file).stdout
    assert "also looked for: waranty → warranty (×0.9)" in printed


@pytest.mark.anyio
async def test_the_command_shows_wordings_with_what_they_cost(config: Config) -> None:
    file = config.data.parent / "expanding.toml"
    said = completion("What warranty has it?\nGuarantee of the pump")
    async with scripted(said) as server:
        more = '[retrieval.expansion]\nkind = "multi_query"\nmodel = "helper/small"\n'
        file.write_text(CONFIG.format(data=config.data, url=server.url, more=more))
        asked = ("search", "Which warranty?", "--collection", "docs", "--explain")
        done = await asyncio.to_thread(run, *asked, "--config", file)
    assert done.exit_code == 0, done.output
    assert re.search(r"multi_query in \d+ ms by helper/small: 40 tokens read, 10", done.stdout)
    assert f"{COST:.6f} USD" in done.stdout
    assert "  wording 2: Guarantee of the pump" in done.stdout
    assert "wording 1: 3 passages" in done.stdout


def run_search(config: Config, *options: str) -> str:
    file = config.data.parent / "moorline.toml"
    done = run("search", ASKED.question, "--collection", "docs", "--config", file, *options)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_filter_that_is_none_is_a_usage_error(config: Config) -> None:
    file = config.data.parent / "moorline.toml"
    done = run("search", "pump", "--filter", "year >", "--config", file)
    assert done.exit_code == 2
    assert "filter" in done.output


def test_a_collection_is_tuned_by_its_own_questions(config: Config, tmp_path: Path) -> None:
    from eval.tune.cli import group

    asked = {"How long is the warranty?": "warranty.md", "Who refunds travel?": "travel.md"}
    lines = [json.dumps({"question": q, "document": d}) for q, d in asked.items()]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    file = config.data.parent / "moorline.toml"
    arguments = ["retrieval", "--collection", "docs", "--config", str(file), "--questions"]
    done = CliRunner().invoke(group, [*arguments, str(tmp_path / "questions.jsonl")])
    assert done.exit_code == 0, done.output
    assert "docs: 2 questions" in done.stdout
    assert "Fewer than 50 questions" in done.stdout
    assert "Leave it." in done.stdout


@pytest.mark.anyio
async def test_a_gateway_that_holds_the_index_finds_the_same(config: Config, gateway: str) -> None:
    afar = Afar(Control(gateway, "for-tests", 0))
    found = await afar.found(ASKED)
    assert [served.document for served in found.served] == ["warranty.md"]
    assert timeless(found) == timeless(from_dict(as_dict(found)))
    assert len(await afar.sample("docs", 10)) == 2
    with pytest.raises(RetrievalError, match="'none'"):
        await afar.found(replace(ASKED, collection="none"))


@pytest.mark.anyio
async def test_without_the_token_nothing_is_told(gateway: str) -> None:
    with pytest.raises(RetrievalError, match="commands on the same machine"):
        await Afar(Control(gateway, "guessed", 0)).found(ASKED)
