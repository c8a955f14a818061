"""One file, one type; what is wrong in it is named, what is secret in it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, load, parse
from gateway.providers.config import OpenAICompatibleProvider
from gateway.reference import reference

PROVIDER = """
[providers.p]
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
models = [{ name = "m" }]
"""


def test_no_file_is_a_valid_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load() == Config()
    assert list(load().all_providers) == ["extractive"]


def test_the_file_of_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("moorline.toml").write_text("[server]\nport = 9000\n")
    assert load().server.port == 9000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1", "`server.prot`: no such key"),
        ("[server]\nport = 'x'", "`server.port`"),
        ("[providers.p]\nkind = 'oracle'", "`providers.p`"),
        ("[providers.p]\nkind = 'vllm'\nmodels = [{ name = 'm' }]", "`providers.p.base_url`: "),
        ("[providers.p]\nkind = 'openai-compatible'\nservice = 'x'", "`providers.p`: no such"),
        ("[models.a]\nuse = [{ from = 'p/m' }]", "`models.a.use.0.to`: Field required"),
        ("[retrieval]\ndense_weight = 2", "`retrieval.dense_weight`"),
        ("this is not toml", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=r"moorline\.toml") as caught:
        parse(text)
    assert named in str(caught.value)


def test_a_secret_is_read_from_the_environment_and_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("P_KEY", "sk-very-secret")
    config = parse(PROVIDER + 'api_key = "env:P_KEY"')
    provider = config.providers["p"]
    assert isinstance(provider, OpenAICompatibleProvider)
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "sk-very-secret"
    assert "sk-very-secret" not in f"{config!r} {config} {config.model_dump_json()}"


def test_a_secret_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match=r"`providers.p.api_key`.*NO_SUCH_VARIABLE"):
        parse(PROVIDER + 'api_key = "env:NO_SUCH_VARIABLE"')


def test_an_invalid_value_beside_a_secret_does_not_show_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("P_KEY", "sk-very-secret")
    with pytest.raises(ConfigError) as caught:
        parse(PROVIDER.replace("models", "mdoels") + 'api_key = "env:P_KEY"')
    assert "sk-very-secret" not in str(caught.value)


def test_the_reference_is_what_the_fields_say() -> None:
    """Made anew by `python -m gateway.reference > CONFIGURATION.md`."""
    assert Path("CONFIGURATION.md").read_text(encoding="utf-8") == reference()


def test_an_alias_that_leads_back_to_itself_is_an_error() -> None:
    text = '[models.a]\nuse = ["b"]\n[models.b]\nuse = ["p/m"]\nfallbacks = ["a"]\n'
    with pytest.raises(ConfigError, match="leads back to itself"):
        parse(text)
