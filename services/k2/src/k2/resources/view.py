"""What was measured, for people and for machines."""

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from k2.resources.facts import OK, Report, Taken
from k2.terminal import Column, table

_NONE = "-"  # there is no such number
_COLUMNS = (
    Column("component"),
    Column("CPUs", 0, "right"),
    Column("target", 1, "right"),
    Column("MB", 0, "right"),
    Column("target", 1, "right"),
    Column("verdict"),
)


def numbers(taken: Taken) -> dict[str, Any]:
    """What one took, beside its target; null is what is not known."""
    usage, target = taken.usage, taken.target
    return {
        "cpu": round(usage.cpu, 3) if usage else None,
        "memory_mb": round(usage.memory_mb, 1) if usage else None,
        "target_cpu": target.cpus if target else None,
        "target_mb": target.memory_mb if target else None,
    }


def as_json(report: Report) -> str:
    """One line of JSON."""
    said = {
        "ok": not report.problems,
        "verdict": report.verdict,
        "seconds": report.seconds,
        "components": {each.name: {**numbers(each), "over": each.over} for each in report.components},
        "own": numbers(report.own),
        "total": numbers(report.total),
    }
    return json.dumps(said)


def as_text(console: Console, report: Report, *, redraws: bool = False) -> str:
    """A table as a console would print it, the verdict last; where it ``redraws``, from the top of a clear screen."""
    rows = [_row(each) for each in (*report.components, report.own, report.total)]
    with console.capture() as captured:
        if redraws:
            console.clear()
        console.print(table(_COLUMNS, rows, console.width))
        console.print(Text(f"CPUs over {report.seconds:g} s; 1 MB is 1,048,576 bytes", "dim"))
        console.print(_verdict(report, console), soft_wrap=not console.is_terminal)
    return captured.get()


def _row(taken: Taken) -> tuple[str | Text, ...]:
    usage, target = taken.usage, taken.target
    return (
        taken.name,
        f"{usage.cpu:.2f}" if usage else _NONE,
        f"{target.cpus:g}" if target else _NONE,
        f"{usage.memory_mb:,.0f}" if usage else _NONE,
        f"{target.memory_mb:,}" if target else _NONE,
        _judged(taken),
    )


def _judged(taken: Taken) -> Text:
    if taken.usage is None:
        return Text("does not run", "red")
    if taken.target is None:
        return Text("no target", "yellow")
    return Text("over", "red") if taken.over else Text(OK, "green")


def _verdict(report: Report, console: Console) -> Text:
    """A line for each problem on a terminal, one line in all for a program."""
    said = "\n".join(report.problems) if report.problems and console.is_terminal else report.verdict
    return Text(said, "bold red" if report.problems else "bold green", overflow="fold")
