"""What ``k2 stack`` and ``k2 spark`` have in common: how servers of a folder are shown, and what is said of them.

Data goes to stdout, chatter to stderr; the stack's libraries are imported when a command runs.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.terminal import Column, console, table
from k2_shared.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from k2_local import PartStatus
    from k2_local.servers import Servers

_STYLES = {"up": "green", "down": "", "died": "red", "not answering": "red"}
_PARTS = (
    Column("part"),
    Column("state"),
    Column("pid", 1, "right"),
    Column("port", 0, "right"),
    Column("resident MB", 3, "right"),
    Column("since", 2),
    Column("detail"),
)

State = Annotated[
    Path | None,
    typer.Option("--state", help="Folder of the stack's data, logs and ports.", show_default=".k2/stack"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PartName = Annotated[str | None, typer.Argument(help="One part, as 'status' names it; default: all.")]
Lines = Annotated[int, typer.Option("-n", min=0, help="Lines of each part.")]
Following = Annotated[bool, typer.Option("-f", help="Go on as the logs grow.")]


def given(state: Path | None, **others: str | None) -> dict[str, object]:
    """The settings of a stack that are given on the command line."""
    found = {"k2_state_dir": state, **others}
    return {name: value for name, value in found.items() if value}


def say(line: str) -> None:
    """A line for people."""
    from k2_local.progress import chatter

    chatter().print(line, markup=False, emoji=False, soft_wrap=True)


def left_running(servers: "Servers", *beside: "Servers") -> str:
    """What of them and of those beside them runs now, and how to stop it."""
    if running := [name for each in (*beside, servers) for name in each.running()]:
        return f"{', '.join(running)} still run in {servers.folder}: '{servers.order('down')}' stops them"
    return f"nothing runs in {servers.folder}"


def elsewhere(servers: "Servers") -> str:
    """What to do where there is nothing."""
    return f"'{servers.command} up' starts one, --state or K2_STATE_DIR name another folder"


def print_environment(environment: dict[str, str], as_json: bool) -> None:
    """Print variables, for ``eval`` or as JSON."""
    if as_json:
        typer.echo(json.dumps(environment, indent=2))
    else:
        typer.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()))


def print_parts(parts: "Sequence[PartStatus]") -> None:
    """Print a table of parts."""
    out = console()
    out.print(table(_PARTS, [_cells(part) for part in parts], out.width))


def print_logs(servers: "Servers", part: str | None, lines: int, *, following: bool) -> None:
    """Print the ends of the parts' logs, of all or of one, and go on where that is wanted.

    Raises:
        ConfigError: there is no such part.
    """
    from k2_local.logs import follow, last

    wanted = _parts(servers, part)
    files = {name: servers.log(name) for name in wanted}
    if not any(file.exists() for file in files.values()):
        say(f"there is no log of {', '.join(wanted)} in {servers.log(wanted[0]).parent}: {elsewhere(servers)}")
    for name, line in follow(files, lines) if following else last(files, lines):
        typer.echo(line if part else f"{name:<8} | {line}")


def _parts(servers: "Servers", part: str | None) -> tuple[str, ...]:
    names = servers.names
    if part is None:
        return names
    if part not in names:
        raise ConfigError(f"there is no part {part!r}: it is one of {', '.join(names)}")
    return (part,)


def _cells(part: "PartStatus") -> list["str | Text"]:
    from rich.text import Text

    name, state, *rest = asdict(part).values()
    return [name, Text(state, _STYLES[state]), *("" if value is None else str(value) for value in rest)]
