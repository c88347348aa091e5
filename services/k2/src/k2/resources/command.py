"""``k2 resources`` from the command line. Data goes to stdout; heavy parts are imported when used."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.terminal import console
from k2.watching import repeated

if TYPE_CHECKING:
    from k2.resources.facts import Report

_SECONDS = 5.0


def resources(
    targets: Annotated[
        Path | None,
        typer.Option(
            help="File of targets, or the folder of a demo or a stack with its targets.json; else K2_TARGETS, else "
            "the stack of this folder, where nothing else is named.",
            metavar="FILE",
        ),
    ] = None,
    compose: Annotated[
        str | None,
        typer.Option(help="Containers of a compose project, k2 in our file, as Docker counts.", metavar="PROJECT"),
    ] = None,
    pid: Annotated[
        list[str] | None, typer.Option(help="A process and all that it started; again for more.", metavar="NAME=PID")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3_600, help="Over which the CPUs of processes are measured.")
    ] = _SECONDS,
    watch: Annotated[bool, typer.Option("--watch", help="Measure and draw it again and again, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each time.")] = False,
) -> None:
    """Show what each component takes of CPUs and memory, beside its target, and one verdict.

    Exits 0 when all is within its target, 1 when not or when something does not run, 4 when nothing runs at all."""
    from k2.resources.measuring import measure

    def show() -> int:
        return _show(measure(targets, compose, pid or [], seconds), as_json=as_json, redraws=watch)

    raise typer.Exit(repeated(show, watching=watch))


def _show(report: "Report", *, as_json: bool, redraws: bool) -> int:
    """Show what was measured; returns the exit code."""
    from k2.resources import view

    said = view.as_json(report) + "\n" if as_json else view.as_text(console(), report, redraws=redraws)
    sys.stdout.write(said)
    sys.stdout.flush()
    return report.exit_code
