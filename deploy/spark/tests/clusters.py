"""A Spark cluster of a test's own, by the command line of the main environment, and what runs of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from k2_support.signals import sigint

ROOT = Path(__file__).resolve().parents[3]
K2 = os.fspath(ROOT / ".venv/bin/k2")
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
MASTER = "org.apache.spark.deploy.master.Master"
DEADLINE_S = 280.0


class Cluster:
    """One state folder. Its workers lend two cores and 1 GiB each."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._environ = {**os.environ, "SPARK_PYTHON": sys.executable, "K2_SPARK_MEMORY_MB": "1024"}

    def k2(self, words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of ``k2 spark`` to its end."""
        return subprocess.run(
            self._command(words), env=self._environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    def begin(self, words: str) -> "subprocess.Popen[str]":
        """Begin a command of ``k2 spark``; it hears Ctrl-C."""
        with sigint(ignored=False):
            return subprocess.Popen(
                self._command(words), env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )

    def up(self) -> dict[str, str]:
        """Start what does not run; what drivers are told."""
        done = self.k2("up --json")
        assert done.returncode == 0, done.stderr
        told: dict[str, str] = json.loads(done.stdout)
        return told

    def status(self) -> tuple[int, dict[str, Any]]:
        """The exit code, and what is said."""
        done = self.k2("status --json")
        return done.returncode, json.loads(done.stdout)

    def states(self) -> dict[str, str]:
        """How each part is."""
        return {part["part"]: part["state"] for part in self.status()[1]["parts"]}

    def pid(self, part: str) -> int:
        """The process of a part."""
        return int(json.loads((self.state / "spark/run" / f"{part}.json").read_text())["pid"])

    def kill(self, part: str) -> None:
        """End a part by kill -9."""
        found = psutil.Process(self.pid(part))
        found.kill()
        found.wait()

    def running(self) -> list[psutil.Process]:
        """Every process that is of the cluster by its words: daemons, executors and drivers."""
        return [each for each in psutil.process_iter(["cmdline", "cwd", "status"]) if self._is_of_it(each.info)]

    def executors(self) -> list[psutil.Process]:
        """Those of them that are executors."""
        return [each for each in self.running() if EXECUTOR in each.info["cmdline"]]

    def _is_of_it(self, info: dict[str, Any]) -> bool:
        words = [*(info["cmdline"] or ()), info["cwd"] or ""]
        return info["status"] != psutil.STATUS_ZOMBIE and (self._is_master(words) or any(map(self._marks, words)))

    def _is_master(self, words: list[str]) -> bool:
        return MASTER in words and str(self._ports().get("spark")) in words

    def _marks(self, word: str) -> bool:
        """Whether a word is a place in the cluster's folder, or has its master's address."""
        port = self._ports().get("spark")
        return word.startswith(os.fspath(self.state / "spark")) or f"spark://127.0.0.1:{port}" in word

    def _ports(self) -> dict[str, int]:
        file = self.state / "spark/ports.json"
        found: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def _command(self, words: str) -> list[str]:
        command, *options = words.split()
        return [K2, "spark", command, "--state", os.fspath(self.state), *options]


def listening(processes: list[psutil.Process]) -> Iterator[str]:
    """The addresses at which they take connections."""
    for each in processes:
        for one in each.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                yield one.laddr.ip
