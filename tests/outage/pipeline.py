"""A pipeline's processes, what they say of themselves, and the broker under them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import psutil

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_support.children import Child

AGENTS = ("silver", "gold", "iceberg_sink", "feed_kraken", "feed_binance")


@dataclass(frozen=True)
class Pipeline:
    """Every agent by its name, on a stack."""

    stack: Stack
    agents: Mapping[str, Child]
    bootstrap: str
    prefix: str

    @property
    def broker(self) -> psutil.Process:
        """The broker's process."""
        known = StackState(self.stack.settings.state).process("kafka")
        assert known is not None
        return psutil.Process(known.pid)

    def kill_broker(self) -> None:
        """End the broker as a crash would; it is gone when this returns."""
        process = self.broker
        process.kill()
        process.wait()

    def that(self, holds: Callable[[Child], bool]) -> set[str]:
        """The agents of which something holds."""
        return {name for name, child in self.agents.items() if holds(child)}


def said(child: Child) -> list[dict[str, Any]]:
    """The text that an agent has logged."""
    return [json.loads(line) for line in child.log.read_text().splitlines() if line.startswith("{")]


def names_broker(child: Child, bootstrap: str) -> bool:
    """Whether an agent is not ready for want of this broker."""
    return f"kafka: no broker answers at {bootstrap}" in child.missing()


def tells_a_broker(child: Child) -> bool:
    """Whether an agent's metrics say that a broker answers it."""
    with urlopen(f"http://127.0.0.1:{child.web_port}/metrics", timeout=60) as answer:
        page: str = answer.read().decode()
    assert "\nk2_broker_up " in page
    return "\nk2_broker_up 1.0\n" in page
