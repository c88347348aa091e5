"""What was found, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from k2.status.facts import Agent, Gaps, Part, Status, Table
from k2.status.verdict import Problem, verdict
from k2.terminal import Column, table

_UNKNOWN = Text("unknown", "yellow")
_NONE = "-"  # there is no such number: nothing was counted
_STYLES = {"ready": "green", "not ready": "yellow", "halted": "red", "dead": "red"}
_PARTS = (Column("server"), Column("state"), Column("where"))
_AGENTS = (
    Column("agent"),
    Column("state"),
    Column("in/s", 0, "right"),
    Column("out/s", 0, "right"),
    Column("age s", 0, "right"),
    Column("up s", 2, "right"),
    Column("version", 3),
    Column("at", 1),
)
_GROUPS = (Column("group"), Column("lag", 0, "right"), Column("said by", 1))
_TABLES = (
    Column("table"),
    Column("rows", 0, "right"),
    Column("snapshots", 0, "right"),
    Column("last commit s ago", 0, "right"),
)
_LETTERS = (Column("stage"), Column("reason"), Column("topic"), Column("letters", 0, "right"), Column("last", 1))


def as_json(status: Status, found: Sequence[Problem]) -> str:
    """One line of JSON; null is what is not known; the problems say why."""
    said: dict[str, Any] = {
        "ok": not found,
        "verdict": verdict(found),
        "problems": [asdict(problem) for problem in found],
        "parts": [asdict(part) for part in status.parts],
        "agents": [{**asdict(agent), "alive": agent.alive, "ready": agent.state == "ready"} for agent in status.agents],
        "groups": {group: {"lag": lag, "source": status.lags.source} for group, lag in status.lags.groups.items()},
        "gaps": asdict(status.gaps),
        "dead_letters": status.letters.groups,
        "tables": [asdict(table) for table in status.tables],
    }
    return json.dumps(said)


def as_text(console: Console, status: Status, found: Sequence[Problem], *, redraws: bool = False) -> str:
    """All of it as a console would print it, the verdict last; where it ``redraws``, from the top of a clear screen."""
    width = console.width
    groups = [(group, _lag(lag), status.lags.source or "") for group, lag in status.lags.groups.items()]
    blocks: list[RenderableType] = [
        table(_PARTS, [_part(part) for part in status.parts], width),
        table(_AGENTS, [_agent(agent) for agent in status.agents], width) if status.agents else _nobody(),
        table(_GROUPS, groups, width),
        table(_TABLES, [_table(each) for each in status.tables], width),
        _letters(status, width),
        _gaps(status.gaps),
    ]
    with console.capture() as captured:
        if redraws:
            console.clear()
        for block in blocks:
            console.print(block)
            console.print()
        console.print(_verdict(found, console), soft_wrap=not console.is_terminal)
    return captured.get()


def _part(part: Part) -> tuple[str | Text, ...]:
    return part.name, Text("fails", "red") if part.fault else Text("answers", "green"), part.where


def _nobody() -> Text:
    return Text.assemble("agents: ", _UNKNOWN, ", no file of targets names them")


def _agent(agent: Agent) -> tuple[str | Text, ...]:
    return (
        agent.name,
        Text(agent.state, _STYLES[agent.state]),
        _number(agent.in_per_s, ",.1f"),
        _number(agent.out_per_s, ",.1f"),
        _number(agent.age_s, ",.3f"),
        _number(agent.up_s, ",.0f"),
        agent.version or _NONE,
        agent.url,
    )


def _lag(lag: int | None) -> str | Text:
    return _UNKNOWN if lag is None else f"{lag:,}"


def _table(of: Table) -> tuple[str | Text, ...]:
    if of.fault:
        return of.name, _UNKNOWN, _UNKNOWN, _UNKNOWN
    return of.name, _number(of.rows, ","), _number(of.snapshots, ","), _number(of.commit_age_s, ",.1f")


def _letters(status: Status, width: int) -> RenderableType:
    kinds = status.letters.groups
    if kinds is None:
        return Text.assemble("dead letters: ", _UNKNOWN, f" ({status.letters.fault})")
    if not kinds:
        return Text("dead letters: none")
    return table(_LETTERS, [[str(kind[column.title]) for column in _LETTERS] for kind in kinds], width)


def _gaps(gaps: Gaps) -> Text:
    if gaps.source is None:
        return Text.assemble("open gaps: ", _UNKNOWN, f" ({gaps.fault})")
    if gaps.open is None:
        return Text(f"open gaps: {gaps.ids} ids by the feeds' metrics; the ledger: {gaps.fault}", "yellow")
    if not gaps.open:
        return Text("open gaps: none")
    return Text(f"open gaps: {gaps.open}, with {gaps.ids} ids, the oldest for {gaps.oldest_s:,.0f} s", "yellow")


def _verdict(found: Sequence[Problem], console: Console) -> Text:
    """A line for each problem on a terminal, one line in all for a program."""
    said = "\n".join(map(str, found)) if found and console.is_terminal else verdict(found)
    return Text(said, "bold red" if found else "bold green", overflow="fold")


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)
