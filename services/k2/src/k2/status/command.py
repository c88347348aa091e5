"""``k2 status`` from the command line. Data goes to stdout; heavy parts are imported when used."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.terminal import console
from k2.watching import EVERY_S, repeated

if TYPE_CHECKING:
    from k2.status.reading import Reader


def status(
    targets: Annotated[
        Path | None,
        typer.Option(
            help="File that names the agents, or the folder of a demo or a stack with its targets.json; else "
            "K2_TARGETS, else the stack of this folder.",
            metavar="FILE",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help=f"Draw it anew every {EVERY_S:g} s, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each time.")] = False,
) -> None:
    """Show servers, agents, lag, gaps, dead letters and tables, and one verdict.

    Exits 0 when all is well, 1 when not, 4 when nothing answers at all."""
    from k2.running import silence
    from k2.status.reading import Reader
    from k2.status.settings import Pipeline

    reader = Reader(Pipeline.find(targets))
    with silence():
        raise typer.Exit(repeated(lambda: _show(reader, as_json=as_json, redraws=watch), watching=watch))


def _show(reader: "Reader", *, as_json: bool, redraws: bool) -> int:
    """Read and show the status once; returns the exit code."""
    import asyncio

    from k2.status import view
    from k2.status.verdict import exit_code, problems

    found = asyncio.run(reader.read())
    wrong = problems(found)
    said = view.as_json(found, wrong) + "\n" if as_json else view.as_text(console(), found, wrong, redraws=redraws)
    sys.stdout.write(said)
    sys.stdout.flush()
    return exit_code(found, wrong)
