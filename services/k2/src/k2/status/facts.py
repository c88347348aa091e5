"""What was found of a pipeline at one moment, as values; None is what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BROKER, REGISTRY, CATALOG, STORE = "broker", "registry", "catalog", "object store"
WARM = "clickhouse"


@dataclass(frozen=True, slots=True)
class Part:
    """A server: where it was asked, what is wrong with it if anything is, what to do then, and whether it answers."""

    name: str
    where: str
    fault: str = ""
    do: str = ""
    answers: bool = True


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent's process, as its pages tell.

    ``fault`` is why it does not answer, ``missing`` what it says that it lacks until it is ready. Rates are records
    a second over the sample, what comes in to a feed is frames; ``age_s`` is the mean age of what was written in the
    sample, since its frame was received.
    """

    name: str
    url: str
    start: str = ""
    fault: str = ""
    missing: tuple[str, ...] = ()
    service: str | None = None
    version: str | None = None
    up_s: float | None = None
    in_per_s: float | None = None
    out_per_s: float | None = None
    age_s: float | None = None
    halted: bool = False
    stopped_symbols: int = 0

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return not self.fault

    @property
    def state(self) -> str:
        """In one word or two: dead, halted, not ready, ready."""
        if self.fault:
            return "dead"
        if self.halted:
            return "halted"
        return "not ready" if self.missing else "ready"


@dataclass(frozen=True, slots=True)
class Lags:
    """How many offsets each consumer group is behind by its name, who says so, and else why it is not known."""

    groups: Mapping[str, int | None]
    source: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The open gaps: how many, how many ids they have, and since when the oldest is open."""

    open: int | None = None
    ids: int | None = None
    oldest_s: float | None = None
    source: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters by stage, reason and source topic, as ``k2 dlq list`` shows them."""

    groups: Sequence[Mapping[str, str | int]] | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An Iceberg table by its current snapshot; without one, it has no rows and no last commit.

    Or one of the warm tier as its sink tells: the rows that the server counts, and the age of the newest record whose
    row was inserted.
    """

    name: str
    rows: int | None = None
    snapshots: int | None = None
    commit_age_s: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All of it."""

    parts: Sequence[Part]
    agents: Sequence[Agent]
    lags: Lags
    gaps: Gaps
    letters: Letters
    tables: Sequence[Table]

    @property
    def silent(self) -> bool:
        """Whether nothing answers at all."""
        return not any(part.answers for part in self.parts) and not any(agent.alive for agent in self.agents)
