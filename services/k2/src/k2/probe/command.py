"""``k2 probe-broker`` from the command line; its libraries are imported when it runs."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from k2_shared.core.errors import ConfigError

_NAME = "[A-Za-z0-9-]{1,40}"


def probe_broker(
    bootstrap: Annotated[str | None, typer.Option(help="host:port; default: KAFKA_BOOTSTRAP_SERVERS.")] = None,
    before_restart: Annotated[
        str | None, typer.Option(metavar="NAME", help="Leave marks under this name; then restart the broker.")
    ] = None,
    after_restart: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look only for the marks left under this name, and delete them.")
    ] = None,
    restart_stack: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Probe the local stack in this folder, and restart its broker.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check on a real broker every promise that exactly-once rests on; exits 1 when one is broken."""
    from dataclasses import asdict

    from k2.probe import probing

    _one_way(bootstrap, before_restart, after_restart, restart_stack)
    if restart_stack:
        verdicts = probing.with_restart(restart_stack)
    else:
        verdicts = probing.at(bootstrap, before_restart, after_restart)
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts]))
    raise typer.Exit(not all(verdict.kept for verdict in verdicts))


def _one_way(bootstrap: str | None, before: str | None, after: str | None, stack: Path | None) -> None:
    if sum(way is not None for way in (before, after, stack)) > 1:
        raise ConfigError("--before-restart, --after-restart and --restart-stack exclude each other: give one of them")
    if bootstrap is not None and stack is not None:
        raise ConfigError("--restart-stack knows its broker: leave --bootstrap away")
    for name in (before, after):
        if name is not None and not re.fullmatch(_NAME, name):
            raise ConfigError(f"the name {name!r} is not 1 to 40 letters, digits or hyphens")
