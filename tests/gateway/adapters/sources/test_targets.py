"""A source as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.failures import BadAdapter
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.folder import Folder
from gateway.adapters.sources.hub import Repository
from gateway.adapters.sources.s3 import Prefix
from gateway.adapters.sources.targets import source

CONFIG = AdapterSourcesConfig()


def test_each_form_has_its_source() -> None:
    assert source("adapters/support", CONFIG) == Folder(Path("adapters/support"), CONFIG.max_bytes)
    assert isinstance(source("s3://models/support", CONFIG), Prefix)
    found = source("hub:acme/support@v2", CONFIG)
    assert isinstance(found, Repository)
    assert (found.name, found.folder, found.revision) == ("acme/support", "", "v2")


def test_anything_else_is_refused_without_its_password() -> None:
    with pytest.raises(BadAdapter) as refused:
        source("https://me:secret@hub/acme/support", CONFIG)
    assert refused.value.kind == "invalid"
    assert "secret" not in refused.value.reason


def test_what_no_file_system_can_name_is_refused() -> None:
    with pytest.raises(BadAdapter):
        source("adapters/\0", CONFIG)
