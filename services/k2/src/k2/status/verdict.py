"""One verdict of what was found: what is wrong, the worst first, each with what to do; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from k2.status.facts import BROKER, CATALOG, Agent, Gaps, Lags, Letters, Part, Status, Table

OK = "ok"
LAG_LIMIT = 100_000  # offsets; as the alert K2Lag
GAP_LIMIT_S = 600.0  # seconds; as the alert K2FeedGapOpen


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what to do."""

    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.what}: {self.do}"


def problems(status: Status) -> list[Problem]:
    """Everything that is wrong, the worst first."""
    broken = {part.name for part in status.parts if part.fault}
    return [
        *_servers(status.parts),
        *_dead(status.agents),
        *_halted(status.agents),
        *_not_ready(status.agents),
        *_stopped(status.agents),
        *_gaps(status.gaps, broker_fails=BROKER in broken),
        *_lags(status.lags, broker_fails=BROKER in broken),
        *_tables(status.tables, catalog_fails=CATALOG in broken),
        *_letters(status.letters, broker_fails=BROKER in broken),
        *_nobody(status.agents),
    ]


def verdict(found: Sequence[Problem]) -> str:
    """``ok``, or everything that is wrong in one line."""
    return "; ".join(map(str, found)) or OK


def exit_code(status: Status, found: Sequence[Problem]) -> int:
    """0 ok, 1 not ok, 4 where nothing answers at all."""
    return 4 if status.silent else int(bool(found))


def _servers(parts: Sequence[Part]) -> Iterator[Problem]:
    for part in parts:
        if part.fault:
            yield Problem(f"{part.name} at {part.where}: {part.fault}", part.do)


def _dead(agents: Sequence[Agent]) -> Iterator[Problem]:
    for agent in agents:
        if not agent.alive:
            do = f"start it with {agent.start}" if agent.start else "start it; its log says why it ended"
            yield Problem(f"{agent.name} at {agent.url} does not answer ({agent.fault})", do)


def _halted(agents: Sequence[Agent]) -> Iterator[Problem]:
    for agent in agents:
        if agent.state == "halted":
            yield Problem(f"{agent.name} is {_said(agent)}", f"then 'k2 dlq resume {agent.url}'")


def _not_ready(agents: Sequence[Agent]) -> Iterator[Problem]:
    """Agents that lack the same are told together."""
    waiting = sorted((agent for agent in agents if agent.state == "not ready"), key=lambda agent: agent.missing)
    for _, group in groupby(waiting, key=lambda agent: agent.missing):
        alike = list(group)
        who = f"{', '.join(agent.name for agent in alike)} {'are' if alike[1:] else 'is'} not ready"
        yield Problem(f"{who} ({_said(alike[0])})", "mend what is named, or wait while it starts")


def _said(agent: Agent) -> str:
    """What an agent says that it lacks; a halted one begins with the word and ends with what to do first."""
    return "; ".join(agent.missing).removesuffix(", then 'k2 dlq resume'") or agent.state


def _stopped(agents: Sequence[Agent]) -> Iterator[Problem]:
    for agent in agents:
        if agent.stopped_symbols:
            yield Problem(
                f"{agent.stopped_symbols} symbols of {agent.name} stand still, their trade ids went back",
                "'k2 feed list' names them, 'k2 feed resume' decides",
            )


def _gaps(gaps: Gaps, *, broker_fails: bool) -> Iterator[Problem]:
    if gaps.fault and not broker_fails:
        yield Problem(f"open gaps are not known ({gaps.fault})", "ask again")
    if gaps.oldest_s is not None and gaps.oldest_s > GAP_LIMIT_S:
        since = f"the oldest for {gaps.oldest_s:.0f} s"
        yield Problem(f"{gaps.ids} trades in {gaps.open} gaps are missing, {since}", "'k2 gaps' lists them")


def _lags(lags: Lags, *, broker_fails: bool) -> Iterator[Problem]:
    if lags.fault and not broker_fails:
        yield Problem(f"the lag is not known ({lags.fault})", "ask again")
    far = {group: lag for group, lag in lags.groups.items() if lag is not None and lag > LAG_LIMIT}
    for group, lag in sorted(far.items(), key=lambda each: -each[1]):
        yield Problem(f"{group} is {lag} offsets behind", "see that its agent works, and start more of it")


def _tables(tables: Sequence[Table], *, catalog_fails: bool) -> Iterator[Problem]:
    """Tables with the same fault are told together."""
    faulty = () if catalog_fails else sorted((t for t in tables if t.fault), key=lambda table: table.fault)
    for fault, group in groupby(faulty, key=lambda table: table.fault):
        names = ", ".join(table.name for table in group)
        yield Problem(f"table {names}: {fault}", "'k2 init' creates what is missing, else ask again")


def _letters(letters: Letters, *, broker_fails: bool) -> Iterator[Problem]:
    """Letters are set aside, not lost, and stay after what refused them is mended: as such they are no problem."""
    if letters.fault and not broker_fails:
        yield Problem(f"dead letters are not known ({letters.fault})", "ask again")


def _nobody(agents: Sequence[Agent]) -> Iterator[Problem]:
    if not agents:
        yield Problem("no agent is known", "name a file of targets by --targets or K2_TARGETS")
