"""``k2 demo`` from the command line."""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.demo.options import Options
from k2.terminal import console
from k2_shared.core.errors import ConfigError

if TYPE_CHECKING:
    from k2.demo.report import Report
    from k2.demo.screen import Screen


def demo(
    recordings: Annotated[Path | None, typer.Option(help="Folder of recordings; default: the packaged ones.")] = None,
    speed: Annotated[str, typer.Option(help="Times the recorded pace, or 'fit': each file in about 20 s.")] = "fit",
    duplicates: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rate of trades sent twice.")] = 0.01,
    invalid: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rate of extra, broken copies.")] = 0.005,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")] = False,
    calm: Annotated[bool, typer.Option("--calm", help="Drop no ids at the venues, and do not kill gold.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave everything up at the end, and say how to look around.")] = False,
    stop: Annotated[Path | None, typer.Option(help="Stop a demo that was kept, by its folder.", metavar="DIR")] = None,
) -> None:
    """Play real recorded trades through every agent and reconcile every stage; exits 0 only when all reconciles.

    Meanwhile the venues drop ids silently, and gold is killed by kill -9: the ids must be fetched, and gold be back."""
    from k2_local import child  # imported when used: help and TABs come a second sooner

    with child.terminable():
        if stop is not None:
            _stop(stop)
            return
        name = f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        options = Options(recordings, _speed(speed), duplicates, invalid, Path(".k2") / name, keep, calm)
        raise typer.Exit(_run(options, as_json=as_json))


def _run(options: Options, *, as_json: bool) -> int:
    from k2.demo.screen import Screen

    screen = Screen()
    screen.say(_first_line(options))
    from k2.demo import run  # after the first line: it takes a second
    from k2.running import silence

    with silence():
        report = run.demo(options, screen)
    if as_json:
        sys.stdout.write(report.as_json() + "\n")
        _complain(report, screen)
        if options.keep:  # nobody else says how to stop it
            sys.stderr.write(_next(options, succeeded=report.succeeded) + "\n")
    else:
        report.print(console())
        sys.stdout.write(_next(options, succeeded=report.succeeded) + "\n")
    return 0 if report.succeeded else 1


def _first_line(options: Options) -> str:
    from k2_local import child

    said = f"a demo in {options.folder}"
    if child.ignores_interrupts():
        return (
            f"{said}; SIGINT is ignored here, as in the background of a script: 'kill {os.getpid()}' ends it in order"
        )
    return f"{said}; Ctrl-C ends it in order"


def _complain(report: "Report", screen: "Screen") -> None:
    for difference in report.differences:
        screen.say(f"differs: {difference}")
    for problem in report.faults.problems:
        screen.say(f"failed: {problem}")


def _next(options: Options, *, succeeded: bool) -> str:
    if options.keep:
        from k2.demo.look import around

        return around(options.folder)
    if not succeeded:
        return f"The logs of every agent are in {options.folder}."
    return (
        'Try next: make demo ARGS="--keep" to look around afterwards, ARGS="--duplicates 0.05 --invalid 0.02",\n'
        'ARGS="--recordings DIR" for trades of your own, ARGS="--calm" without faults, ARGS="--json" for machines; '
        "make test"
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
