"""What a fuzzing run found, as a table."""

from __future__ import annotations

from eval.bench.fuzz.run import RIGHT, State

_WRONG = ("crash", "hang", "memory", "opened", "malformed")


def table(state: State) -> str:
    """A line for each format, then the failures and what only the last net caught."""
    columns = (
        "format",
        "inputs",
        "read",
        "refused",
        "unnamed",
        *_WRONG,
        "mean ms",
        "max s",
        "max MB",
    )
    rows: list[tuple[str, ...]] = []
    for form, tally in sorted(state.tallies.items()):
        count = sum(tally.outcomes.values())
        figures = [tally.outcomes.get(outcome, 0) for outcome in RIGHT]
        wrong = [tally.outcomes.get(outcome, 0) for outcome in _WRONG]
        times = f"{1000 * tally.seconds / max(count, 1):.1f}", f"{tally.slowest:.1f}"
        middle = map(str, (count, *figures, tally.unnamed, *wrong))
        rows.append((form, *middle, *times, f"{tally.memory / 1e6:.0f}"))
    widths = [max(len(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (columns, *rows)
    ]
    lines.append(f"\n{state.done:,} inputs, {len(state.failures):,} failures")
    for failure in state.failures[:30]:
        lines.append(f"  {failure.number} {failure.format}: {failure.outcome}: {failure.reason}")
    if state.unnamed:
        lines.append("\nRefused for errors that no parser names:")
        for reason, count in state.unnamed.most_common(20):
            lines.append(f"  {count} × {reason}")
    return "\n".join(lines)
