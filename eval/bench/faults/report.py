"""The verdicts of a trial as a table for a terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from eval.bench.faults.trial import Verdict

MODES = {None: "", False: "plain", True: "stream"}
HEADER = f"{'case':27} {'mode':6} {'verdict':7} {'seconds':>7}  seen"


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts, and what was left when they were spoken."""

    verdicts: Sequence[Verdict]
    connections: int  # that were busy ten seconds after the last request
    sockets: int | None  # that the gateway holds beyond those before; None: not looked at

    @property
    def failed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def complaints(self) -> list[str]:
        """About the whole."""
        found = []
        if self.connections:
            found.append(f"{self.connections} connections to the upstream are still busy")
        if self.sockets:
            found.append(f"the gateway holds {self.sockets} more sockets open than before")
        return found

    @property
    def passed(self) -> bool:
        return not self.failed and not self.complaints

    def json(self) -> bytes:
        plain: dict[str, Any] = {
            "passed": self.passed,
            "cases": [asdict(each) | {"passed": each.passed} for each in self.verdicts],
            "complaints": self.complaints,
        }
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2)


def line(verdict: Verdict) -> str:
    """One verdict; what is wrong stands below."""
    told = "pass" if verdict.passed else "FAIL"
    mode = MODES[verdict.stream]
    first = f"{verdict.case:27} {mode:6} {told:7} {verdict.seconds:7.2f}  {verdict.seen}"
    wrong = [f"{'':36}{complaint}" for complaint in verdict.complaints]
    return "\n".join((first, *([f"{'':36}upstream {verdict.upstream}:", *wrong] if wrong else [])))


def summary(report: Report) -> str:
    """How many passed, which did not, and what was not judged."""
    total, failed = len(report.verdicts), report.failed
    lines = [f"{total - len(failed)} of {total} passed."]
    names = dict.fromkeys(verdict.case for verdict in failed)
    if names:
        lines.append(f"Failed: {', '.join(names)}.")
    lines += [f"{complaint}." for complaint in report.complaints]
    if not any(verdict.charged for verdict in report.verdicts):
        lines.append("Charges: usage as answered; a ledger was not read (--config).")
    if report.sockets is None:
        lines.append("The gateway's open sockets: not counted (--pid).")
    return "\n".join(lines)
