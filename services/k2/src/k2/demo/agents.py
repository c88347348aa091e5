"""The demo's processes: the simulator and every agent, each startable again by hand."""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil  # type: ignore[import-untyped]

from k2.demo.faults import DroppedIds
from k2.demo.oracle import DROP_IDS
from k2_local.targets import Agent
from k2_shared.core.contracts import venues
from k2_shared.core.errors import Unavailable
from k2_support.children import Child, wait_until
from k2_support.ports import HOST, free_port

SIMULATOR = "exchange_sim"
_STAGES = ("iceberg_sink", "warm_sink", "gold", "silver")
_READY_S = 90.0
_STOP_S = 25.0
_ANSWER_S = 2.0


class Simulator:
    """The exchange simulator as a child process."""

    def __init__(self, folder: Path, flags: Mapping[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "deliveries.jsonl"
        arguments = {"port": str(port), "log": str(self.log), **flags}
        self._folder = folder
        self._child = Child(
            SIMULATOR,
            {},
            folder / f"{SIMULATOR}.log",
            port,
            tuple(word for name, value in arguments.items() for word in (f"--{name}", value)),
        )

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._child.start()
        pid_file(self._folder, SIMULATOR).write_text(str(self._child.pid))
        wait_until(self._listens, _READY_S, "the simulator")

    def status(self) -> dict[str, Any] | None:
        """What it says of its playback; None while it does not answer."""
        try:
            with urlopen(f"{self.url}/sim/status", timeout=_ANSWER_S) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except (URLError, OSError):
            return None

    @property
    def finished(self) -> bool:
        """Whether everything was played."""
        status = self.status()
        return bool(status and status["finished"])

    @property
    def played(self) -> float:
        """The share of the frames that it has played; 0 while it does not answer."""
        status = self.status()
        venues = [venue for venue in status["venues"].values() if venue["frames_total"]] if status else []
        return sum(v["frames_played"] for v in venues) / sum(v["frames_total"] for v in venues) if venues else 0.0

    def drop(self, dropped: DroppedIds) -> None:
        """Have a venue never send these ids, when their turn comes.

        Raises:
            Unavailable: the simulator refused, or did not answer.
        """
        said = {"kind": DROP_IDS, "venue": dropped.exchange, "symbol": dropped.symbol, "ids": list(dropped.ids)}
        asked = Request(f"{self.url}/sim/faults", json.dumps(said).encode(), {"Content-Type": "application/json"})  # noqa: S310
        try:
            with urlopen(asked, timeout=_ANSWER_S):  # noqa: S310
                return
        except OSError as error:
            raise Unavailable(f"the simulator does not drop ids of {dropped.symbol}: {error}") from None

    def feed_environment(self) -> dict[str, str]:
        """What makes every feed talk to the simulator: their URLs alone."""
        socket = self.url.replace("http", "ws", 1)
        found = {"FEED_SOCKETS": "1"}  # so that what was sent and what arrived can be counted one by one
        for venue in venues().values():
            found |= {
                f"{venue.exchange}_WS_URL": f"{socket}{venue.socket_path}",
                f"{venue.exchange}_REST_URL": self.url,
            }
        return found

    def _listens(self) -> bool:
        self._child.check()
        return self.status() is not None


class Fleet:
    """Every agent of a demo; the script ``<folder>/<agent>`` starts one again by hand, in its place and to its log."""

    def __init__(self, folder: Path, environment: Mapping[str, str], feeds: Mapping[str, Mapping[str, str]]) -> None:
        self._folder = folder
        self._replaced = ""
        # Under its own name in the group, an agent that was killed and started again has its partitions at once.
        own: dict[str, Mapping[str, str]] = {**{name: {"K2_INSTANCE": name} for name in _STAGES}, **feeds}
        self._children = {name: Child.agent(name, {**environment, **extra}, folder) for name, extra in own.items()}

    def start(self) -> None:
        """Start all."""
        for name, child in self._children.items():
            _write_script(self._folder / name, child)
            self._start(name)

    def _start(self, name: str) -> None:
        pid_file(self._folder, name).write_text(str(self._children[name].start().pid))

    def kill(self, name: str) -> int:
        """End an agent's process by ``kill -9``, whoever started it, and start another in its place.

        Returns the pid of the one that was killed; 0 where none ran.
        """
        victim = running(self._folder, name)
        with self._replacing(name):
            if victim:
                victim.kill()
                victim.wait(_STOP_S)
            self._start(name)
        return victim.pid if victim else 0

    def lacks(self, name: str) -> list[str]:
        """What an agent says is missing until it is ready; nothing when it is.

        Raises:
            Unavailable: it has ended; quotes its log.
        """
        return self._children[name].missing()

    @contextmanager
    def _replacing(self, name: str) -> Iterator[None]:
        """While the demo itself puts a process in an agent's place, nobody is told to."""
        self._replaced = name
        yield
        self._replaced = ""

    def targets(self) -> tuple[Agent, ...]:
        """Where each answers, and what starts it again."""
        return tuple(
            Agent(name=name, url=f"http://{HOST}:{child.web_port}", start=str((self._folder / name).absolute()))
            for name, child in self._children.items()
        )

    def wait_ready(self) -> None:
        """Wait until each says that it is ready.

        Raises:
            Unavailable: one ended or took too long.
        """
        for child in self._children.values():
            child.wait_ready(_READY_S)

    def ended(self) -> list[str]:
        """The agents that do not run now, with how to start each again."""
        return [
            f"{name} ended; start it again with {self._folder / name}"
            for name in self._children
            if name != self._replaced and running(self._folder, name) is None
        ]


def running(folder: Path, name: str) -> psutil.Process | None:
    """The process that has an agent's place in a demo, whoever started it; never a stranger with its pid."""
    try:
        process = psutil.Process(int(pid_file(folder, name).read_text()))
        ours = name in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


def stop_all(folder: Path) -> None:
    """Ask every process of a demo to end, wait, and kill those that do not."""
    names = [path.stem for path in folder.glob("*.pid")]
    found = [process for name in names if (process := running(folder, name))]
    for process in found:
        process.terminate()
    _, late = psutil.wait_procs(found, timeout=_STOP_S)
    for process in late:
        process.kill()


def pid_file(folder: Path, name: str) -> Path:
    """Where a demo keeps the pid of a process."""
    return folder / f"{name}.pid"


def _write_script(path: Path, child: Child) -> None:
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in child.environment.items())
    own_pid, log = (shlex.quote(str(file.absolute())) for file in (pid_file(path.parent, path.name), child.log))
    path.touch(mode=0o700)
    path.write_text(
        f"#!/bin/sh\n# Starts {child.module} of this demo again, in the background.\n{exports}\n"
        f"nohup {shlex.quote(sys.executable)} -m {child.module} < /dev/null >> {log} 2>&1 &\n"
        f"echo $! > {own_pid}\n"
        f"echo {path.name} starts in the background, its log is {log} >&2\n"
    )
