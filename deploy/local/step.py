"""Run a command that takes a while and tell of it, at least every few seconds: its time, and the size of its downloads.

``step.py WHAT COMMAND…``, with nothing but Python, since it tells of what is installed. On a terminal it is one live
line, elsewhere a line now and then. What the command prints is shown where it fails; it exits as the command does.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

EVERY_S = 5.0
LIVE_S = 0.2
SIZE = re.compile(r"Downloading \S+ \(([\d.]+) ?([kKMG])i?B\)")  # as pip and uv say it
MB = {"k": 0.001, "K": 0.001, "M": 1.0, "G": 1000.0}


class Step:
    """A command at work: what it printed, and the megabytes that it said it downloads or has downloaded."""

    def __init__(self, what: str, command: list[str]) -> None:
        self.what = what
        self.printed: list[str] = []
        self.megabytes = 0.0
        self._began = time.monotonic()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __str__(self) -> str:
        size = f", {self.megabytes:.0f} MB" if self.megabytes >= 1 else ""
        return f"{time.monotonic() - self._began:.0f} s{size}"

    def wait(self, every_s: float, beat: Callable[[], None]) -> int:
        """Call ``beat`` every so many seconds until the command has ended; returns its exit code."""
        self._reading.join(every_s)
        while self._reading.is_alive():
            beat()
            self._reading.join(every_s)
        return self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.printed.append(line)
            if found := SIZE.search(line):
                self.megabytes += float(found[1]) * MB[found[2]]


def say(text: str) -> None:
    """Write to stderr at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


def run(what: str, command: list[str], *, live: bool) -> int:
    """Run a command and tell of it; returns its exit code."""
    say(what if live else f"{what}\n")
    step = Step(what, command)
    if live:
        code = step.wait(LIVE_S, lambda: say(f"\r\x1b[K{what}, {step}"))
        say("\r\x1b[K")
    else:
        code = step.wait(EVERY_S, lambda: say(f"still {what}, {step}\n"))
    say(f"{what}: {'failed after' if code else 'done in'} {step}\n")
    if code:
        say("".join(step.printed))
    return code


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1], sys.argv[2:], live=sys.stderr.isatty()))
    except KeyboardInterrupt:
        say("\nstopped: what is installed so far stays, and the next make goes on from there\n")
        sys.exit(130)
