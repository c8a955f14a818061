"""`moorline bench`: how fast it is and what it withstands, measured here and now."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="bench")
def group() -> None:
    """Measure on this machine."""


@group.command()
@click.option("--rounds", default=3, show_default=True, help="Interleaved; medians are reported.")
@click.option("--seconds", default=1.5, show_default=True, help="Of each measurement.")
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    type=click.Choice(["direct", "raw", "fastapi", "gateway", "guarded"]),
    help="May be given several times; all by default.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def overhead(
    rounds: int, seconds: float, subjects: tuple[str, ...], json_file: Path | None
) -> None:
    """What the gateway adds to a call, beside two bare pass-throughs."""
    from eval.bench.load import LoadFailed
    from eval.bench.overhead import SUBJECTS, measure, table
    from eval.bench.processes import NotReady

    try:
        report = measure(subjects or SUBJECTS, rounds, seconds)
    except (NotReady, LoadFailed) as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="BEIR.")
@click.option("--limit", default=300, show_default=True, help="Questions.")
def answer(data: Path, limit: int) -> None:
    """A grounded answer of the built-in model, stage by stage."""
    from eval.bench.answer import measure, table
    from eval.datasets import BadDataset

    def told(done: int) -> None:
        click.echo(f"\r{done} documents", nl=False, err=True)

    try:
        report = measure(data, limit, told)
    except BadDataset as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"\n{table(report)}")


@group.command()
@click.option("--documents", default=500, show_default=True)
@click.option("--edits", default=1000, show_default=True, help="Changed, removed, added, renamed.")
@click.option("--askers", default=8, show_default=True, help="Who ask meanwhile.")
@click.option("--seed", default=1, show_default=True)
def invalidation(documents: int, edits: int, askers: int, seed: int) -> None:
    """Whether the cache ever gives an answer from a document's retired version."""
    from eval.bench.invalidation import measure, table

    def told(done: int) -> None:
        click.echo(f"\r{done} edits", nl=False, err=True)

    report = measure(documents, edits, askers, seed, told)
    click.echo(f"\n{table(report)}")
    if report.retired:
        raise click.ClickException("An answer came from a retired version.")


@group.command()
@click.option("--passages", default=20, show_default=True)
@click.option("--tokens", default=160, show_default=True, help="Of a passage.")
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=30, show_default=True)
def rerank(passages: int, tokens: int, threads: int, rounds: int) -> None:
    """The packaged reader over a question's passages, beside the encoder."""
    from eval.bench.rerank import measure, table

    click.echo(table(measure(passages, tokens, threads, rounds)))


@group.command()
@click.option("--rounds", default=100, show_default=True)
def routing(rounds: int) -> None:
    """The router's models over a question, beside embedding it."""
    from eval.bench.routing import measure, table

    click.echo(table(measure(rounds)))


@group.command()
@click.option("--adapters", default=1_000, show_default=True)
@click.option("--calls", default=500, show_default=True, help="Of a round.")
@click.option("--rounds", default=9, show_default=True)
def fleet(adapters: int, calls: int, rounds: int) -> None:
    """What replicas and their adapters add to a call of vLLM."""
    from eval.bench.fleet import measure, table
    from eval.bench.processes import NotReady

    try:
        click.echo(table(measure(adapters, calls, rounds)))
    except NotReady as error:
        raise click.ClickException(str(error)) from error


@group.command()
@click.option("--count", default=1_000, show_default=True, type=click.IntRange(min=2))
@click.option("--rank", default=16, show_default=True, type=click.IntRange(min=1))
def adapters(count: int, rank: int) -> None:
    """Looking over LoRA adapters of an 8B model, beside reading their headers."""
    from eval.bench.adapters import measure, table

    click.echo(table(measure(count, rank)))


@group.command()
@click.option("--adapters", default=1_000, show_default=True, type=click.IntRange(min=1))
@click.option("--rounds", default=50, show_default=True, help="Interleaved; medians are reported.")
def registry(adapters: int, rounds: int) -> None:
    """Naming one of many LoRA adapters, beside naming a model."""
    from eval.bench.registry import measure, table

    click.echo(table(measure(adapters, rounds)))


@group.command()
@click.option("--passages", default=2_000, show_default=True, help="Of each of two collections.")
@click.option("--questions", default=200, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def search(passages: int, questions: int, json_file: Path | None) -> None:
    """Hybrid search in the embedded index, beside brute force; takes minutes at 100,000."""
    from eval.bench.search import measure, table

    report = measure(passages, questions, lambda line: click.echo(line, err=True))
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option(
    "--entries",
    multiple=True,
    type=click.IntRange(min=10),
    default=(2_000, 20_000, 100_000),
    show_default=True,
    help="May be given several times.",
)
@click.option("--asked", default=300, show_default=True, type=click.IntRange(min=20))
@click.option("--redis", help="URL of a Redis to measure, too; names of its own.")
@click.option(
    "--texts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Questions, one a line, to encode and compare instead of made-up vectors.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def cache(
    entries: tuple[int, ...],
    asked: int,
    redis: str | None,
    texts: Path | None,
    json_file: Path | None,
) -> None:
    """How long a look into the answer cache takes, exact and semantic, beside brute force."""
    from cache.types import CacheDown
    from eval.bench.cache import NotEnough, measure, table

    try:
        report = measure(entries, asked, redis, texts, lambda line: click.echo(line, err=True))
    except (NotEnough, CacheDown) as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option(
    "--traces",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Azure's, ServeGen's and Mooncake's.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["policies", "gateways", "outage", "kept"]),
    default=("policies", "gateways", "outage"),
    show_default=True,
    help="May be given several times; `kept` is what the outage's replicas were chosen by.",
)
@click.option("--seconds", default=600.0, show_default=True, help="Of each workload, simulated.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def lora(
    traces: Path, parts: tuple[str, ...], seconds: float, seeds: int, json_file: Path | None
) -> None:
    """Where requests for LoRA adapters are sent, simulated: ours beside others' rules."""
    from eval.bench.lora_sim.report import measure, table
    from eval.bench.lora_sim.workloads import NoTraces

    try:
        report = measure(traces, parts, seconds, seeds, lambda line: click.echo(line, err=True))
    except NoTraces as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option("--passages", default=100, show_default=True)
@click.option("--words", default=110, show_default=True, help="Of a passage.")
@click.option("--rounds", default=50, show_default=True, help="Interleaved; medians are reported.")
def pack(passages: int, words: int, rounds: int) -> None:
    """A prompt of many passages, beside counting the same text."""
    from eval.bench.pack import measure, table

    click.echo(table(measure(passages, words, rounds)))


@group.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--rounds", default=3, show_default=True, help="Interleaved; medians are reported.")
@click.option("--passages", default=1000, show_default=True, help="Of the targets' first ones.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def ingest(targets: tuple[str, ...], rounds: int, passages: int, json_file: Path | None) -> None:
    """How near the ingestion of TARGETS comes to the encoder alone."""
    from eval.bench.ingest import NothingToMeasure, measure, table
    from retrieval.sources.types import BadSource

    try:
        report = measure(targets, rounds, passages, lambda line: click.echo(line, err=True))
    except (BadSource, NothingToMeasure) as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.option("--megabytes", default=50.0, show_default=True, help="Of text in all.")
@click.option("--kilobytes", default=20.0, show_default=True, help="Of a document.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def memory(megabytes: float, kilobytes: float, json_file: Path | None) -> None:
    """What ingesting a folder takes of memory, as it grows; made-up text and vectors.

    2000 MB take a few hours."""
    from eval.bench.memory import NotMeasurable, measure, table

    try:
        report = measure(megabytes, kilobytes, lambda line: click.echo(line, err=True))
    except NotMeasurable as error:
        raise click.ClickException(str(error)) from None
    if json_file:
        json_file.write_bytes(report.json())
    click.echo(table(report))


@group.command()
@click.argument("url", required=False)
@click.option(
    "--subject",
    type=click.Choice(["gateway", "raw", "fastapi"]),
    help="Instead of URL: start this one, and judge it.",
)
@click.option("--key", help="The key that the gateway wants.")
@click.option(
    "--model",
    default="faults/*",
    show_default=True,
    help="What the gateway calls the upstream's models; * stands for a case's name.",
)
@click.option(
    "--listen",
    default="127.0.0.1:9400",
    show_default=True,
    help="Where the misbehaving upstream is to be found.",
)
@click.option("--patience", default=10.0, show_default=True, help="Seconds for any answer.")
@click.option("--fallback", is_flag=True, help="Behind each model stands the model `steady`.")
@click.option("--continues", is_flag=True, help="Which goes on where another was cut.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True),
    help="Moorline's configuration, to hold its ledger against what was delivered.",
)
@click.option("--pid", type=int, help="The gateway's process, to count its sockets.")
@click.option("--wait", default=60.0, show_default=True, help="Seconds for it to be set up.")
@click.option("--case", "wanted", multiple=True, help="Only this; may be given several times.")
@click.option("--snippet", is_flag=True, help="Print a configuration of Moorline for it, and stop.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it there too.")
def faults(
    url: str | None,
    subject: str | None,
    key: str | None,
    model: str,
    listen: str,
    patience: float,
    fallback: bool,
    continues: bool,
    config: Path | None,
    pid: int | None,
    wait: float,
    wanted: tuple[str, ...],
    snippet: bool,
    json_file: Path | None,
) -> None:
    """What the gateway at URL does when its upstream misbehaves; exit code 1 where it is wrong."""
    import asyncio

    from eval.bench.faults import report, run, subjects
    from eval.bench.faults.cases import CASES
    from eval.bench.faults.client import Door
    from eval.bench.faults.trial import Subject
    from eval.bench.processes import NotReady

    host, _, port = listen.rpartition(":")
    if snippet:
        spare = f"http://{host}:{int(port) + 1}/v1" if fallback else None
        upstream = f"http://{listen}/v1"
        click.echo(subjects.configuration(upstream, ".moorline-faults", spare=spare), nl=False)
        return
    if (url is None) == (subject is None):
        raise click.UsageError("Give the URL of a gateway, or a --subject to start.")
    if url:
        click.echo(subjects.instructions(f"http://{listen}/v1", model), err=True)
    order = run.Order(
        Subject(Door(url or "", key), model, patience, fallback, continues),
        start=subject,
        host=host,
        port=0 if subject else int(port),
        config=config,
        pid=pid,
        wait=wait,
        cases=tuple(case for case in CASES if not wanted or case.name in wanted),
    )
    click.echo(report.HEADER)
    try:
        seen = asyncio.run(run.run(order, lambda verdict: click.echo(report.line(verdict))))
    except (run.NotRouted, NotReady, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"\n{report.summary(seen)}")
    if json_file:
        json_file.write_bytes(seen.json())
    if not seen.passed:
        raise SystemExit(1)


@group.command()
@click.option("--inputs", default=100_000, show_default=True, help="Mutated documents.")
@click.option("--seed", default=1, show_default=True, help="Makes other ones.")
@click.option(
    "--corpus",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Documents to start from, beside those that are built in; may be given several times.",
)
@click.option("--format", "only", multiple=True, help="Only this, as the table names it.")
@click.option("--seconds", default=10.0, show_default=True, help="Processor time for an input.")
@click.option("--memory", default=1500, show_default=True, help="Megabytes for an input.")
@click.option(
    "--out",
    default=Path(".moorline-fuzz"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where failing inputs are kept, and how far the run has come.",
)
def fuzz(
    inputs: int,
    seed: int,
    folders: tuple[Path, ...],
    only: tuple[str, ...],
    seconds: float,
    memory: int,
    out: Path,
) -> None:
    """Mutated documents against every parser; exit code 1 where one is not dealt with.

    A run that was stopped goes on where it was."""
    from eval.bench.fuzz.report import table
    from eval.bench.fuzz.run import Order, State, WorkerFailed, run

    def told(state: State) -> None:
        found = f"{state.done:,} of {inputs:,}, {len(state.failures):,} failures"
        click.echo(f"\r{found}", nl=False, err=True)

    order = Order(folders, out, inputs, seed, only, seconds, memory * 1_000_000)
    try:
        state = run(order, told)
    except WorkerFailed as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"\n{table(state)}")
    if not state.passed:
        raise SystemExit(1)


if __name__ == "__main__":
    group()
