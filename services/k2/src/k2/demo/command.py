"""``k2 demo`` from the command line."""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from k2.demo.options import Options
from k2_local import child
from k2_shared.core.errors import ConfigError


def demo(
    recordings: Annotated[Path | None, typer.Option(help="Folder of recordings; default: the packaged ones.")] = None,
    speed: Annotated[str, typer.Option(help="Times the recorded pace, or 'fit': each file in about 20 s.")] = "fit",
    duplicates: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rate of trades sent twice.")] = 0.01,
    invalid: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rate of extra, broken copies.")] = 0.005,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave everything up at the end.")] = False,
    stop: Annotated[Path | None, typer.Option(help="Stop a demo that was kept, by its folder.", metavar="DIR")] = None,
) -> None:
    """Play real recorded trades through every agent and reconcile every stage; exits 0 only when all reconciles."""
    with child.terminable():
        if stop is not None:
            _stop(stop)
            return
        name = f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        options = Options(recordings, _speed(speed), duplicates, invalid, Path(".k2") / name, keep)
        raise typer.Exit(_run(options, as_json=as_json))


def _run(options: Options, *, as_json: bool) -> int:
    from k2.demo import run  # imported when used: every other command starts a second sooner
    from k2.demo import screen as screens

    screen = screens.Screen()
    if child.ignores_interrupts():
        screen.say(f"SIGINT is ignored here, as in the background of a script: 'kill {os.getpid()}' ends it in order")
    report = run.demo(options, screen)
    if as_json:
        sys.stdout.write(report.as_json() + "\n")
        for difference in report.differences:
            screen.say(f"differs: {difference}")
        if options.keep:  # nobody else says how to stop it
            screen.say(_next(options, reconciled=report.reconciled))
    else:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else 120)
        report.print(console)
        console.print(_next(options, reconciled=report.reconciled), highlight=False, markup=False)
    return 0 if report.reconciled else 1


def _next(options: Options, *, reconciled: bool) -> str:
    folder = options.folder
    if options.keep:
        return (
            f"Everything is still up; its logs are in {folder}. Look around:\n"
            f'  eval "$(.venv/bin/k2 stack env --state {folder}/stack)"\n'
            f"  .venv/bin/k2 status --targets {folder}\n"
            f"Stop it:\n  .venv/bin/k2 demo --stop {folder}"
        )
    if not reconciled:
        return f"The logs of every agent are in {folder}."
    return (
        'Try next: make demo ARGS="--duplicates 0.05 --invalid 0.02", ARGS="--recordings DIR" for trades of your own,\n'
        'ARGS="--keep" to look around afterwards, ARGS="--json" for machines; make test'
    )


def _stop(folder: Path) -> None:
    if not (folder / "stack").is_dir():
        raise ConfigError(f"--stop {folder}: there is no demo; 'ls -d .k2/demo-*' lists those that were kept")
    from k2.demo import run

    run.stop(folder)
    sys.stderr.write(f"stopped; {folder} still has its data and logs: remove it when you are done\n")


def _speed(given: str) -> str:
    try:
        valid = given == "fit" or float(given) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"--speed {given!r} is not allowed: a number above 0 (times the recorded pace), or 'fit'")
    return given
