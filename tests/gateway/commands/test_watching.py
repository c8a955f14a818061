"""`moorline ingest --watch`, with a gateway that holds the index and without."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from gateway.commands.ingest import ingest

REPOSITORY = Path(__file__).parents[3]


class Watching:
    """`moorline ingest --watch` as a process of its own."""

    def __init__(self, config: Path, docs: Path, collection: str) -> None:
        command = [sys.executable, "-m", "gateway", "ingest", str(docs), "--watch", "--json"]
        command += ["--config", str(config), "--collection", collection]
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def report(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def stop(self) -> tuple[int, str]:
        self._process.send_signal(signal.SIGINT)
        _, err = self._process.communicate(timeout=60)
        return self._process.returncode, err


def test_watched_files_are_followed_until_ctrl_c(anywhere: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nText of a.")
    (tmp_path / "b.md").write_text("# B\n\nText of b.")
    watching = Watching(anywhere, tmp_path, "watched")
    try:
        assert watching.report()["added"] == 2
        (tmp_path / "a.md").write_text("# A\n\nText of a, revised.")
        assert watching.report()["changed"] == 1
        (tmp_path / "b.md").rename(tmp_path / "c.md")
        moved = watching.report()
        assert (moved["added"], moved["removed"]) == (1, 1)
        assert (moved["passages"], moved["reused"]) == (0, 1)
        (tmp_path / "c.md").unlink()
        assert watching.report()["removed"] == 1
    finally:
        code, err = watching.stop()
    assert (code, err) == (0, "Stopped. The index is whole; run the same again to go on.\n")


def test_what_is_not_a_file_cannot_be_watched(anywhere: Path) -> None:
    arguments = ["https://me:secret@example.com/a.html", "--watch", "--config", str(anywhere)]
    found = CliRunner().invoke(ingest, arguments)
    assert found.exit_code == 2
    assert "Only files can be watched, not https://example.com/a.html" in found.stderr
