"""What the trial is held against: how it is pointed at the upstream, and some that we start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from eval.bench.faults.cases import CASES
from eval.bench.faults.outage import MODEL
from eval.bench.faults.trial import runs
from eval.bench.faults.upstream import STEADY
from eval.bench.processes import Served, served

KEY = "sk-upstream-of-the-fault-suite"
# Room for the answers to one case and the two requests after it, not for a hold that is not
# given back: a request reserves $0.0002 and costs $0.00006.
BUDGET_USD = 0.00045
CONFIG = """\
# One model for each case, all of them at the misbehaving upstream, and deadlines of seconds.
data = "{data}"

[grounding]
mode = "off"

[dispatch]
retries = 1
first_wait = 0.05
longest_wait = 1.5
breaker = {{ open_seconds = 1 }}
"""
PROVIDER = """
[providers.{name}]
kind = "{kind}"
base_url = "{url}"
api_key = "{key}"
connect_timeout = 0.6
first_byte_timeout = 0.7
idle_timeout = 0.7
total_timeout = 1.5
models = [
{models}
]
"""


def names() -> list[str]:
    """Every model that a gateway under test is asked for."""
    return [STEADY, MODEL, *(case.model(stream) for case, stream in runs(CASES))]


def configuration(
    upstream: str, data: str, *, kind: str = "openai-compatible", spare: str | None = None
) -> str:
    """Moorline's, as TOML. With a spare upstream, each model has one that works behind it."""
    text = CONFIG.format(data=data) + _provider("faults", kind, upstream, names())
    if spare is None:
        return text
    aliases = (f'[models."{name}"]\nuse = ["faults/{name}", "spare/{STEADY}"]' for name in names())
    return "\n".join((text + _provider("spare", kind, spare, [STEADY]), *aliases, ""))


def instructions(upstream: str, model: str) -> str:
    """How a gateway is pointed at the upstream."""
    return (
        f"The misbehaving upstream listens at {upstream}, in OpenAI's format. Point the gateway at "
        f"it: the model {model!r}, where the star is a case's name, goes there under the case's "
        f"name; {model.replace('*', STEADY)!r} is one of them. Give it deadlines of a second or "
        "two, so that patience outlasts them. For Moorline, --snippet prints a configuration.\n"
    )


@dataclass(frozen=True, slots=True)
class Started:
    """A gateway that was started for the trial."""

    server: Served
    model: str
    config: Path | None = None  # Moorline's, which leads to its ledger


@contextmanager
def started(name: str, upstream: str, spare: str | None, folder: Path) -> Iterator[Started]:
    """`gateway`, or one of the bare pass-throughs, `raw` and `fastapi`."""
    log = folder / f"{name}.log"
    if name != "gateway":
        command = ["eval.bench.references", name, "--upstream", upstream, "--key", KEY]
        with served(command, None, log) as server:
            yield Started(server, "*")
        return
    config = folder / "moorline.toml"
    text = configuration(upstream, str(folder / "data"), spare=spare)
    config.write_text(text, encoding="utf-8")
    with served(["gateway", "serve", "--config", str(config)], None, log) as server:
        yield Started(server, "*" if spare else "faults/*", config)


def open_sockets(pid: int) -> int:
    """How many sockets a process of this machine has open."""
    count = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            count += str(file.readlink()).startswith("socket:")
    return count


def _provider(name: str, kind: str, url: str, models: list[str]) -> str:
    price = "input_usd_per_million = 1, output_usd_per_million = 2"
    rows = "\n".join(f'  {{ name = "{model}", {price} }},' for model in models)
    return PROVIDER.format(name=name, kind=kind, url=url, key=KEY, models=rows)
