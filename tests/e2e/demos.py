"""Demos as a person starts them: the command, in a folder of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from k2_support.signals import sigint
from k2_support.waiting import wait_for

PATIENCE_S = 240.0
_DEMO = (sys.executable, "-c", "from k2.main import main; main()", "demo")


@dataclass
class RunningDemo:
    """A demo's process and the folder in which it was started."""

    process: subprocess.Popen[str]
    cwd: Path
    said: str = ""
    """What it said on stderr, once it has ended."""

    @property
    def folder(self) -> Path:
        """The state folder of the demo, once there is one."""
        return next((self.cwd / ".k2").glob("demo-*"))

    def pid(self, agent: str) -> int:
        """The process that an agent has now."""
        return int((self.folder / f"{agent}.pid").read_text())

    def played(self) -> float:
        """The share of the frames that the simulator has played."""
        port = psutil.Process(self.pid("exchange_sim")).cmdline()
        url = f"http://127.0.0.1:{port[port.index('--port') + 1]}/sim/status"
        try:
            with urlopen(url, timeout=60) as answer:
                venues = json.load(answer)["venues"].values()
        except URLError:  # not listening yet
            return 0.0
        return sum(v["frames_played"] for v in venues) / sum(v["frames_total"] for v in venues)

    def wait_for(self, share: float) -> None:
        """Wait until a share of the frames was played."""
        wait_for(lambda: self._started() and self.played() >= share, PATIENCE_S, f"{share:.0%} of the frames")

    def result(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end: the exit code and the one JSON object on stdout."""
        out, self.said = self.process.communicate(timeout=PATIENCE_S)
        assert out, self.said
        return self.process.returncode, json.loads(out)

    def _started(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        return any((self.cwd / ".k2").glob("demo-*/feed_*.pid"))


class Demos:
    """Starts demos and sees that none outlives its test."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.started: list[RunningDemo] = []

    def start(
        self, *flags: str, environment: dict[str, str] | None = None, ignores_sigint: bool = False
    ) -> RunningDemo:
        """Start ``k2 demo`` with flags, in a new folder; one that is ``ignores_sigint`` has SIGINT ignored."""
        cwd = self._root / f"demo{len(self.started)}"
        cwd.mkdir()
        with sigint(ignored=ignores_sigint):
            process = _spawned(flags, cwd, environment or {})
        self.started.append(RunningDemo(process, cwd))
        return self.started[-1]

    def end(self) -> None:
        """End what still runs, also of demos that were kept, and wait for it."""
        for demo in self.started:
            if demo.process.poll() is None:
                demo.process.terminate()
                demo.process.communicate(timeout=PATIENCE_S)
            for folder in demo.cwd.glob(".k2/demo-*/stack"):
                stopping = [*_DEMO, "--stop", str(folder.parent)]
                subprocess.run(stopping, cwd=demo.cwd, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)


def _spawned(flags: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_DEMO, *flags],
        cwd=cwd,
        env={**_without_stack(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _without_stack() -> dict[str, str]:
    """The environment of a newcomer, who has no stack yet."""
    prefixes = ("KAFKA_", "SCHEMA_", "ICEBERG_", "S3_", "CLICKHOUSE_", "K2_STATE")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended runs no more, also while nobody has collected it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended just now
        return False
