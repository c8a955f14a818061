"""The house as a whole: names, layers, what an import costs, and the README's tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "retrieval", "context", "guardrails", "cache", "routing", "eval")
HEAVY = {
    *("torch", "transformers", "sentence_transformers", "onnx", "onnxruntime", "tokenizers"),
    *("litellm", "openai", "tiktoken", "langfuse"),
    *("qdrant_edge", "qdrant_client", "redis", "psycopg", "grpc"),
    *("pypdfium2", "docx", "lxml", "selectolax", "numpy"),
}
TIMES_FASTAPI = 3  # what importing the app may cost, in imports of FastAPI alone
IMPORT = """
import gc, json, sys, time
gc.disable()  # as `moorline serve` does: what a pass costs depends on what else there is
before = time.process_time()
import {module}
print(json.dumps({{"seconds": time.process_time() - before, "modules": list(sys.modules)}}))
"""


def importing(module: str) -> tuple[float, set[str]]:
    """What an import costs a fresh interpreter in CPU time, and what it loads."""
    # Compiling is not what is measured: the first of several writes the bytecode.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(module=module)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    result = json.loads(done.stdout)
    return result["seconds"], {name.split(".")[0] for name in result["modules"]}


def tree() -> dict[str, str]:
    """The README's block under `## Where things are`: a path and what it is, line by line."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"^## Where things are\n.*?^```\w*\n(.*?)^```", readme, re.M | re.S)
    assert block, "README.md has no block under '## Where things are'"
    lines = [line.strip() for line in block[1].splitlines() if line.strip()]
    entries = (re.match(r"(\S+)\s{2,}(\S.*)$", line) for line in lines)
    return {m[1]: m[2] for m in entries if m}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_is_imported_from_here(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_else_that_is_installed_owns_a_folders_name(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"moorline"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_shadows_the_standard_library(package: str) -> None:
    assert package not in sys.stdlib_module_names


def test_every_folder_of_tests_is_a_package() -> None:
    """Without, tests/cache would be `cache` and shadow the real one."""
    folders = {file.parent for file in (ROOT / "tests").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_every_folder_with_code_is_a_package() -> None:
    folders = {file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_folders_point_downward() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_app_is_imported_quickly() -> None:
    turns = [(importing("gateway.app")[0], importing("fastapi")[0]) for _ in range(3)]
    app, fastapi = map(min, zip(*turns, strict=True))
    assert app < TIMES_FASTAPI * fastapi


def test_importing_the_app_loads_nothing_heavy() -> None:
    assert importing("gateway.app")[1] & HEAVY == set()


def test_what_the_readme_lists_exists() -> None:
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_the_readme_lists_every_module() -> None:
    modules = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if file.stat().st_size
    }
    listed = set(tree())
    # A package's own code stands under the package's name.
    listed |= {f"{path.rstrip('/')}/__init__.py" for path in listed if not path.endswith(".py")}
    assert sorted(modules - listed) == []
