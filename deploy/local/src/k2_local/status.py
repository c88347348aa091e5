"""The status of a part in words for people and scripts: up, down, died or not answering."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from k2_local.parts import Part
from k2_local.processes import Process
from k2_local.startup import why_not_ready

State = Literal["up", "down", "died", "not answering"]
Whole = Literal["up", "down", "half-dead"]


@dataclass(frozen=True)
class PartStatus:
    """One part now; ``died`` and ``not answering`` have a ``detail``."""

    part: str
    state: State
    pid: int | None = None
    port: int | None = None
    resident_mb: int | None = None
    since: str | None = None  # ISO 8601, UTC
    detail: str = ""


def status_of(part: Part, process: Process | None) -> PartStatus:
    """Ask one part; answers within a few seconds."""
    if process is None:
        return PartStatus(part.name, "down")
    if not process.running:
        return PartStatus(part.name, "died", process.pid, part.port, detail=f"see {part.log}")
    lacking = why_not_ready(part, process)
    return PartStatus(
        part.name,
        "not answering" if lacking else "up",
        process.pid,
        part.port,
        process.resident_mb,
        datetime.fromtimestamp(process.started, UTC).isoformat(timespec="seconds"),
        lacking or "",
    )


def whole(parts: Sequence[PartStatus]) -> Whole:
    """The status of the whole stack: up or down if every part is, half-dead otherwise."""
    states = {part.state for part in parts}
    if states == {"up"}:
        return "up"
    return "down" if states == {"down"} else "half-dead"
