"""Agents as a supervisor runs them: a process that ends is started again, until a fault takes its agent over."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from k2_shared.core.errors import Unavailable
from k2_support.children import Child
from k2_support.waiting import WAITS, Condition, came_true

PATIENCE_S = 90.0
_POLL_S, _RESTART_S = 0.1, 0.5


async def until(condition: Condition, what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for a condition with a run's patience.

    Raises:
        Unavailable: it did not come true in time.
    """
    with WAITS.noting(what):
        if not await came_true(condition, timeout_s, _POLL_S):
            raise Unavailable(f"{what} did not come within {timeout_s:.0f} s")


@dataclass(frozen=True)
class ProcessExit:
    """How one process of an agent ended."""

    agent: str
    exit_code: int
    log: Path


@dataclass
class SupervisedAgent:
    """One agent of a service under one instance name; each start of its process has a log of its own."""

    service: str
    number: int
    environment: Mapping[str, str]
    folder: Path
    supervised: bool = False
    child: Child | None = None
    starts: int = 0
    ended: list[ProcessExit] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The static member's name."""
        return f"{self.service}-{self.number}"

    @property
    def running(self) -> bool:
        """Whether a process is there, also a stopped one."""
        return self.child is not None and self.child.exit_code is None

    @property
    def log(self) -> Path:
        """The newest process's log."""
        return self._folder(self.starts) / f"{self.service}.log"

    def logs(self) -> list[Path]:
        """Every process's log, oldest first."""
        return [self._folder(start) / f"{self.service}.log" for start in range(1, self.starts + 1)]

    def start(self, **environment: str) -> None:
        """Start a process under this agent's name and environment, with changes."""
        self.starts += 1
        folder = self._folder(self.starts)
        folder.mkdir(parents=True)
        own = {**self.environment, "K2_INSTANCE": self.name, **environment}
        self.child = Child.agent(self.service, own, folder).start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self.child:
            self.child.signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> ProcessExit | None:
        """Take the agent over from the supervisor and end its process; None where there was none."""
        self.supervised = False
        if not self.running:
            return None
        self.send(number)
        return await self.wait_end()

    async def wait_end(self, timeout_s: float = PATIENCE_S) -> ProcessExit:
        """Wait for the end of the process, which ``note`` takes down."""
        before = len(self.ended)
        await until(lambda: self.note() or len(self.ended) > before, f"the end of {self.name}", timeout_s)
        return self.ended[-1]

    def note(self) -> ProcessExit | None:
        """Take down the end of the process, once."""
        if self.child is None or self.child.exit_code is None:
            return None
        self.ended.append(ProcessExit(self.name, self.child.exit_code, self.log))
        self.child = None
        return self.ended[-1]

    async def ready(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the process, or one that came after it, works on every partition it has."""
        await until(lambda: asyncio.to_thread(self._is_ready), f"{self.name}'s readiness", timeout_s)

    def _is_ready(self) -> bool:
        child = self.child
        with suppress(Unavailable):
            return child is not None and not child.missing()
        return False

    def _folder(self, start: int) -> Path:
        return self.folder / f"{self.name}.{start:04}"


class SupervisedAgents:
    """Every agent of a run, and the supervisor that keeps their processes up."""

    def __init__(self, agents: list[SupervisedAgent]) -> None:
        self._agents = agents

    def __iter__(self) -> Iterator[SupervisedAgent]:
        return iter(self._agents)

    def of(self, service: str) -> list[SupervisedAgent]:
        """A service's agents, by number."""
        return [agent for agent in self._agents if agent.service == service]

    @asynccontextmanager
    async def supervising(self) -> AsyncIterator["SupervisedAgents"]:
        """Keep supervised agents up for the length of the block; afterwards everything is killed."""
        task = asyncio.create_task(self._supervise())
        try:
            yield self
        finally:
            task.cancel()
            for agent in self._agents:
                if agent.child:
                    agent.child.kill()

    async def _supervise(self) -> None:
        while True:
            for agent in self._agents:
                if agent.supervised and agent.note():
                    await asyncio.sleep(_RESTART_S)
                if agent.supervised and not agent.running:
                    agent.start()
            await asyncio.sleep(_POLL_S)


async def up(*agents: SupervisedAgent) -> None:
    """Hand agents to the supervisor and wait until they are ready."""
    for agent in agents:
        agent.supervised = True
    await until(lambda: all(agent.running for agent in agents), "every process")
    for agent in agents:
        await agent.ready()
