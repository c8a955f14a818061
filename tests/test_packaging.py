"""What is installed: pinned, hashed, free of torch, and said once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
PACKAGES = ("gateway", "retrieval", "context", "guardrails", "cache", "routing", "eval")
UNHASHED = "torch.txt"  # its own words say why
LOCKED = sorted(file.name for file in REQUIREMENTS.glob("*.txt") if file.name != UNHASHED)
WANTED = sorted(file.name for file in REQUIREMENTS.glob("*.in"))
ON_TOP_OF_BASE = ("dev.txt", "postgres.txt", "ray.txt", "train.txt", "transformers.txt")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def lines(name: str) -> list[str]:
    """A requirement file's logical lines, without comments."""
    text = (REQUIREMENTS / name).read_text("utf-8").replace("\\\n", " ")
    stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in stripped if line]


def wanted(name: str) -> list[Requirement]:
    """What an .in file asks for itself."""
    return [Requirement(line) for line in lines(name) if not line.startswith("-")]


def locked(name: str) -> list[Requirement]:
    return [Requirement(line.split(" --hash")[0]) for line in lines(name)]


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements}


def pins(name: str) -> set[tuple[str, str, str]]:
    return {(canonicalize_name(r.name), str(r.specifier), str(r.marker)) for r in locked(name)}


def test_the_files_that_are_installed_are_all_looked_at() -> None:
    assert {"base.txt", "dev.txt", "pip.txt", "weights.txt"} <= set(LOCKED)
    assert {name.removesuffix(".in") for name in WANTED} == {
        name.removesuffix(".txt") for name in LOCKED
    }


@pytest.mark.parametrize("name", LOCKED)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    for line in lines(name):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
    for requirement in locked(name):
        assert re.fullmatch(r"==[0-9][^,*]*", str(requirement.specifier)), str(requirement)


@pytest.mark.parametrize("name", [*LOCKED, *WANTED, UNHASHED])
def test_a_requirement_file_names_no_registry(name: str) -> None:
    text = (REQUIREMENTS / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|\s@\s|pypi", text)


@pytest.mark.parametrize("name", WANTED)
def test_everything_that_is_asked_for_is_pinned(name: str) -> None:
    assert names(wanted(name)) <= names(locked(name.replace(".in", ".txt")))


@pytest.mark.parametrize("name", ON_TOP_OF_BASE)
def test_what_comes_on_top_of_base_changes_nothing_in_it(name: str) -> None:
    base = pins("base.txt")
    shared = names(locked("base.txt"))
    for each in locked(name):
        pin = (canonicalize_name(each.name), str(each.specifier))
        if pin[0] in shared:
            assert pin in {(known, version) for known, version, _ in base}


def test_the_base_install_has_no_torch() -> None:
    heavy = re.compile(r"torch|nvidia-|triton|sentence-transformers|transformers|vllm|ray$")
    assert not [each for each in names(locked("base.txt")) if heavy.match(each)]


def test_compromised_releases_of_litellm_are_out() -> None:
    (version,) = (str(r.specifier) for r in locked("base.txt") if r.name == "litellm")
    assert version not in {"==1.82.7", "==1.82.8"}


def test_the_project_depends_on_what_the_base_file_asks_for() -> None:
    declared = names([Requirement(each) for each in PROJECT["dependencies"]])
    assert declared == names(wanted("base.in")) - {"hatchling"}


@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_an_extra_is_the_file_of_its_name(extra: str) -> None:
    declared = {str(Requirement(each)) for each in PROJECT["optional-dependencies"][extra]}
    asked = wanted(f"{extra}.in")
    if f"-r {UNHASHED}" in lines(f"{extra}.in"):
        asked += wanted(UNHASHED)
    assert declared == {str(each) for each in asked}


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="builds the wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    on_disk = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert on_disk - held == set()
    assert {name.split("/")[0] for name in held if ".dist-info" not in name} == set(PACKAGES)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *PROJECT["scripts"].items(),
        *PROJECT["entry-points"]["moorline.commands"].items(),
    ],
)
def test_a_command_can_be_loaded(name: str, target: str) -> None:
    assert callable(EntryPoint(name, target, "commands").load())


def test_the_lock_of_the_node_client_names_no_registry() -> None:
    text = (ROOT / "package-lock.json").read_text("utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all("integrity" in each for path, each in packages.items() if path)
