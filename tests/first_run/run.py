"""``make demo`` as a newcomer meets it: in a fresh clone, with no cache; how long it is silent, and after which line.

Run it by ``make test-first-run``. What is committed is what is cloned. People are told on stderr; the last line on
stdout is one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from tests.first_run.silence import GOAL_S, FirstRun, TimedLine

from k2.terminal import Column, table

ROOT = Path(__file__).parents[2]
LONGEST_S = 1_800
_SHOWN = 8
_ENDING_S = 60
_OUTSIDE = ("MAKE", "MFLAGS", "K2_", "KAFKA_", "SCHEMA_", "ICEBERG_", "S3_", "VIRTUAL_ENV", "PYTHON")
_COLUMNS = (Column("silent s", 0, "right"), Column("goal s", 1, "right"), Column("after the line"))


def main(arguments: Sequence[str]) -> int:
    """Measure one first run; returns 0 where it ended well and kept to the goal."""
    parser = argparse.ArgumentParser(prog="make test-first-run", description=__doc__)
    parser.add_argument("--command", default="make demo", help="what is run in the clone, by a shell")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="k2-first-run-") as folder:
        clone = Path(folder) / "k2"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        found = measured(given.command, clone, _environment(Path(folder) / "cache"))
    _report(found)
    return int(not found.is_good)


def measured(command: str, folder: Path, environment: Mapping[str, str]) -> FirstRun:
    """Run a command in a folder, without a terminal, and note when each line comes; it is echoed to stderr."""
    began = time.monotonic()
    with _started(command, folder, environment) as process:
        lines = []
        for text in process.stdout or ():
            lines.append(TimedLine(time.monotonic() - began, text.rstrip()))
            sys.stderr.write(f"{lines[-1].at_s:7.1f}  {text}")
        code = process.wait(_ENDING_S)
        return FirstRun(lines, time.monotonic() - began, code)


@contextmanager
def _started(command: str, folder: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A command in a session of its own; whatever ends us asks all of it to end, and waits for that."""
    process = subprocess.Popen(
        ["timeout", str(LONGEST_S), "sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_ENDING_S)


def _environment(cache: Path) -> dict[str, str]:
    """Ours, with empty caches, and nothing of what the make around us or its tools were told."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}
    return {**kept, "XDG_CACHE_HOME": str(cache), "UV_CACHE_DIR": str(cache / "uv"), "PIP_NO_CACHE_DIR": "1"}


def _report(found: FirstRun) -> None:
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140, highlight=False)
    rows = [(f"{each.seconds:.1f}", f"{GOAL_S:g}", each.after) for each in found.silences[:_SHOWN]]
    console.print(table(_COLUMNS, rows, console.width))
    console.print(f"{found.seconds:.0f} s in all, exit code {found.exit_code}")
    sys.stdout.write(json.dumps(found.numbers()) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
