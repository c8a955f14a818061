"""`moorline traces`: the last requests, or one of them as a waterfall with passages and prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.commands.common import config_option, ledger_database
from gateway.commands.table import moment, table
from gateway.ledger.queries import AmbiguousTrace, Queries
from gateway.ledger.types import Filters, Recorded, Request
from gateway.tracing.trace import Span

BAR = 40  # characters
MS = 1e6  # nanoseconds
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@click.command()
@config_option
@click.argument("trace_id", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--model", help="As it was asked for, or provider/model.")
@click.option("--status", help='"ok", "error", a class such as "4xx", or a number.')
@click.option("--key", help="A key's public id.")
@click.option("--text", help="Part of the question.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def traces(
    config_file: Path | None,
    trace_id: str | None,
    limit: int,
    model: str | None,
    status: str | None,
    key: str | None,
    text: str | None,
    as_json: bool,
) -> None:
    """List the last requests; with TRACE_ID, or its beginning, show that one."""
    with _queries(config_file) as queries:
        if trace_id is not None:
            _show(queries, trace_id, as_json)
            return
        try:
            filters = Filters(status=status, model=model, key=key, text=text)
            page = queries.traces(limit, 0, filters)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--status") from error
    if as_json:
        click.echo(json.dumps([asdict(request) for request in page.requests]))
    elif not page.requests:
        click.echo("No requests.")
    else:
        click.echo(listing(page.requests))
        if page.total > len(page.requests):
            click.echo(f"… of {page.total}; --limit shows more.")


def listing(requests: Sequence[Request]) -> str:
    """One line a request."""
    head = ("trace", "at", "status", "model", "cache", "ms", "tokens", "USD", "question")
    return table(head, [_line(request) for request in requests])


def waterfall(recorded: Recorded) -> str:
    """One line a span: when it began, how long it took, and a bar of both."""
    spans = recorded.spans
    whole = max([recorded.request.latency_ms * MS, *(span.end for span in spans), 1])
    width = max((len(span.name) for span in spans), default=0)
    lines = []
    for span in spans:
        end = max(span.end, span.start)
        failed = f"  {_plain(span.error)}" if span.error else ""
        lines.append(
            f"{span.name.ljust(width)} {span.start / MS:9.2f} ms {(end - span.start) / MS:9.2f} ms"
            f"  {_bar(span.start / whole, end / whole)}{failed}"
        )
    return "\n".join(line.rstrip() for line in lines)


def _show(queries: Queries, trace_id: str, as_json: bool) -> None:
    try:
        recorded = queries.trace(trace_id)
    except AmbiguousTrace as error:
        raise click.ClickException(str(error)) from error
    if recorded is None:
        raise click.ClickException(f"There is no trace {trace_id}. See: moorline traces")
    if as_json:
        click.echo(json.dumps(asdict(recorded)))
        return
    click.echo("\n\n".join(part for part in _story(recorded) if part))


def _story(recorded: Recorded) -> Iterator[str]:
    yield _summary(recorded.request)
    yield waterfall(recorded) or "The spans are gone: traces are kept for ledger.keep_traces_days."
    if passages := _attribute(recorded.spans, "retrieve", "passages"):
        yield "Passages\n" + "\n".join(_passage(each) for each in passages)
    if prompt := _attribute(recorded.spans, "pack", "prompt"):
        yield "Prompt\n" + "\n".join(_message(each) for each in prompt)
    if strategy := _attribute(recorded.spans, "dispatch", "strategy"):
        steps = (_step(each) for each in strategy.get("steps", ()))
        yield "\n".join([f"Strategy {strategy.get('name')}", *steps])
    if answer := recorded.attributes.get("answer"):
        yield "Answer\n" + _indented(str(answer))


def _summary(request: Request) -> str:
    facts = {
        "trace": request.trace_id,
        "at": moment(request.at),
        "key": f"{request.key} ({request.team})",
        "status": " ".join(filter(None, (str(request.status), request.error_code))),
        "model": f"{request.model or '-'} (asked: {request.model_asked}, route: {request.route})",
        "cache": request.cache,
        "degraded": request.degraded or "-",
        "grounded": _grounded(request),
        "tokens": f"{request.prompt_tokens} + {request.completion_tokens}",
        "cost": f"{request.cost_usd:.6f} USD",
        "latency": f"{request.latency_ms:.1f} ms"
        + ("" if request.ttft_ms is None else f", first token {request.ttft_ms:.1f} ms"),
        "question": request.question,
    }
    return "\n".join(f"{name:<9} {_plain(value)}" for name, value in facts.items())


def _grounded(request: Request) -> str:
    if request.grounded is None:
        return "-"
    share = "" if request.faithfulness is None else f", faithfulness {request.faithfulness:.2f}"
    where = f" in {request.collection}" if request.collection else ""
    return f"{'yes' if request.grounded else 'no'}{share}, {request.sources} sources{where}"


def _line(request: Request) -> tuple[str, ...]:
    return (
        request.trace_id[:12],
        moment(request.at),
        str(request.status),
        request.model or request.model_asked,
        request.cache,
        f"{request.latency_ms:.0f}",
        str(request.tokens),
        f"{request.cost_usd:.5f}",
        request.question,
    )


def _passage(passage: Mapping[str, Any]) -> str:
    where = " › ".join(
        str(part)
        for part in (
            passage.get("document"),
            passage.get("section"),
            passage.get("page") and f"page {passage['page']}",
        )
        if part
    )
    score = passage.get("score")
    shown = f"{score:.3f}" if isinstance(score, (int, float)) else "-"
    return f"  [{passage.get('n') or '-'}] {shown}  {_plain(where)}"


def _step(step: Mapping[str, Any]) -> str:
    """A call of a strategy; the last one's tokens are the answer's."""
    facts = [str(step.get("step")), str(step.get("model") or "-")]
    if tokens := step.get("tokens"):
        facts.append(f"{tokens['prompt']} + {tokens['completion']} tokens")
        facts.append(f"{step.get('cost_usd', 0):.6f} USD, {step.get('ms')} ms")
    if error := step.get("error"):
        facts.append(str(error))
    return f"  {_plain('  '.join(facts))}"


def _message(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"  {message.get('role')}:\n{_indented(text, 4)}"


def _attribute(spans: Sequence[Span], name: str, attribute: str) -> Any:
    return next((span.attributes.get(attribute) for span in spans if span.name == name), None)


def _bar(start: float, end: float) -> str:
    """A stretch of BAR characters, to an eighth of a character at its end."""
    first = min(int(start * BAR), BAR - 1)
    eighths = max(1, round((end * BAR - first) * 8))
    whole, rest = divmod(min(eighths, (BAR - first) * 8), 8)
    return " " * first + "█" * whole + _EIGHTHS[rest].strip()


def _indented(text: str, by: int = 2) -> str:
    return "\n".join(" " * by + _plain(line) for line in text.splitlines())


def _plain(text: str) -> str:
    """Without the characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


@contextmanager
def _queries(config_file: Path | None) -> Iterator[Queries]:
    with ledger_database(config_file) as database:
        yield Queries(database)
