"""What was found, for people and for machines."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from k2.status.facts import Agent, Gaps, Status
from k2.status.verdict import OK, Problem, verdict

_UNKNOWN = "unknown"
_NONE = "-"  # there is no such number: nothing was counted
_PIPED = 200
_WRAPPED = 12  # columns of the screen that a wrapped text needs at least
_PADDING = 2
_WIDE = 120
_STYLES = {"ready": "green", "not ready": "yellow", "halted": "red", "dead": "red"}


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


def as_text(status: Status, found: Sequence[Problem], *, redraws: bool = False) -> str:
    """All of it as stdout takes it; on a terminal that ``redraws``, from the top of a screen made clear."""
    return printed(Console(width=None if sys.stdout.isatty() else _PIPED), status, found, redraws=redraws)


def printed(console: Console, status: Status, found: Sequence[Problem], *, redraws: bool = False) -> str:
    """All of it as a console would print it, the verdict last.

    Where columns do not fit they are left out whole, or else wrapped: nothing is ever shortened.
    """
    wide = console.width >= _WIDE
    blocks = [_parts(status), _agents(status, wide=wide), _lags(status), _tables(status), _letters(status, wide=wide)]
    with console.capture() as captured:
        if redraws:
            console.clear()
        for block in (*blocks, _gaps(status.gaps)):
            console.print(_fitted(block, console.width) if isinstance(block, Table) else block)
            console.print()
        console.print(_verdict(found), soft_wrap=not console.is_terminal)
    return captured.get()


def _fitted(table: Table, width: int) -> Table:
    """A table whose names and numbers are wrapped, too, where they do not fit beside each other."""
    rigid = [column for column in table.columns if column.no_wrap]
    needed = sum(max(cell_len(str(cell)) for cell in (column.header, *column.cells)) for column in rigid)
    beside = len(table.columns) - len(rigid)
    if needed + beside * _WRAPPED + len(table.columns) * _PADDING > width:
        for column in rigid:
            column.no_wrap = False
    return table


def _table(*columns: str, numbers: Sequence[str] = (), wraps: str = "") -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        fits = name == wraps
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=not fits, overflow="fold")
    return table


def _parts(status: Status) -> Table:
    table = _table("server", "where", "state", wraps="state")
    for part in status.parts:
        table.add_row(part.name, part.where, Text(part.fault, "red") if part.fault else Text("answers", "green"))
    return table


def _agents(status: Status, *, wide: bool) -> RenderableType:
    if not status.agents:
        return Text(f"agents: {_UNKNOWN}, no file of targets names them", "yellow")
    numbers = ("in/s", "out/s", "age s")
    more = ("up s", "version", "at") if wide else ()
    table = _table("agent", "state", *numbers, *more, "why", numbers=(*numbers, "up s"), wraps="why")
    for agent in status.agents:
        besides = (_number(agent.up_s, ".0f"), agent.version or _NONE, agent.url) if wide else ()
        rates = (_number(agent.in_per_s, ",.1f"), _number(agent.out_per_s, ",.1f"), _number(agent.age_s, ",.3f"))
        table.add_row(agent.name, Text(agent.state, _STYLES[agent.state]), *rates, *besides, _why(agent))
    return table


def _why(agent: Agent) -> str:
    return agent.fault or "; ".join(agent.missing)


def _lags(status: Status) -> Table:
    lags = status.lags
    table = _table("group", "lag", "said by", numbers=("lag",), wraps="said by")
    for group, lag in lags.groups.items():
        known = Text(f"{lag:,}") if lag is not None else Text(_UNKNOWN, "yellow")
        table.add_row(group, known, lags.source or lags.fault)
    return table


def _tables(status: Status) -> Table:
    numbers = ("rows", "snapshots", "last commit s ago")
    table = _table("table", *numbers, "", numbers=numbers, wraps="")
    for each in status.tables:
        if each.fault:
            unknown = Text(_UNKNOWN, "yellow")
            table.add_row(each.name, unknown, unknown, unknown, Text(each.fault, "yellow"))
        else:
            counts = (_number(each.rows, ","), _number(each.snapshots, ","))
            table.add_row(each.name, *counts, _number(each.commit_age_s, ",.1f"), "")
    return table


def _letters(status: Status, *, wide: bool) -> RenderableType:
    kinds = status.letters.groups
    if kinds is None:
        return Text(f"dead letters: {_UNKNOWN} ({status.letters.fault})", "yellow")
    if not kinds:
        return Text("dead letters: none")
    columns = ("stage", "reason", "topic", "count", *(("last",) if wide else ()))
    table = _table(*columns, numbers=("count",))
    for kind in kinds:
        table.add_row(*(str(kind[column]) for column in columns))
    return table


def _gaps(gaps: Gaps) -> Text:
    if gaps.source is None:
        return Text(f"open gaps: {_UNKNOWN} ({gaps.fault})", "yellow")
    if gaps.open is None:
        return Text(f"open gaps: {gaps.ids} ids by the feeds' metrics; the ledger: {gaps.fault}", "yellow")
    if not gaps.open:
        return Text("open gaps: none")
    return Text(f"open gaps: {gaps.open}, with {gaps.ids} ids, the oldest for {gaps.oldest_s:,.0f} s", "yellow")


def _verdict(found: Sequence[Problem]) -> Text:
    said = verdict(found)
    return Text(said, "bold green" if said == OK else "bold red", overflow="fold")


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)
