"""``k2 stack``: the local stack from the command line. Data goes to stdout, chatter to stderr.

The stack's libraries are imported when a command runs.
"""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.consent import Yes, ask
from k2.interruption import telling
from k2.terminal import Column, console, table
from k2_local import child
from k2_shared.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from k2_local import PartStatus, Stack

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

app = typer.Typer(
    help="Kafka, schema registry, S3, Iceberg catalog and ClickHouse on this machine.",
    no_args_is_help=True,
    add_completion=False,
)

State = Annotated[
    Path | None,
    typer.Option("--state", help="Folder of the stack's data, logs and ports.", show_default=".k2/stack"),
]
Catalog = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        help="Iceberg catalog of a new stack: seaweed, or postgres (downloads 80 MB once).",
        show_default="seaweed",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up(state: State = None, catalog: Catalog = None, as_json: Json = False) -> None:
    """Start the stack, wait until every part works, and print its clients' environment."""
    stack = _stack(state, catalog)
    with child.terminable(), telling(lambda: left_running(stack)):
        _print_environment(stack.up(_say), as_json)


@app.command()
def down(state: State = None) -> None:
    """Stop what the stack started, and nothing else."""
    stack = _stack(state)
    with telling(lambda: left_running(stack)):
        stack.down(_say)


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show every part; exits 0 if all are up, 1 otherwise."""
    from k2_local.status import whole

    stack = _stack(state)
    parts = stack.status()
    overall = whole(parts)
    if as_json:
        typer.echo(json.dumps({"stack": overall, "parts": [asdict(part) for part in parts]}, indent=2))
    else:
        out = console()
        out.print(table(_PARTS, [_cells(part) for part in parts], out.width))
        _say(f"the stack is {overall}" if stack.exists() else _none_in(stack))
    raise typer.Exit(overall != "up")


@app.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="One part, as 'k2 stack status' names it; default: all.")] = None,
    state: State = None,
    lines: Annotated[int, typer.Option("-n", min=0, help="Lines of each part.")] = 20,
    following: Annotated[bool, typer.Option("-f", help="Go on as the logs grow.")] = False,
) -> None:
    """Print the ends of the parts' logs."""
    from k2_local.logs import follow, last

    stack = _stack(state)
    wanted = _parts(stack, part)
    files = {name: stack.log(name) for name in wanted}
    if not any(file.exists() for file in files.values()):
        _say(f"there is no log of {', '.join(wanted)} in {stack.log(wanted[0]).parent}: {_elsewhere()}")
    for name, line in follow(files, lines) if following else last(files, lines):
        typer.echo(line if part else f"{name:<8} | {line}")


@app.command()
def reset(state: State = None, yes: Yes = False) -> None:
    """Stop the stack and delete its topics, schemas, tables and logs."""
    stack = _stack(state)
    if not yes:
        everything = f"every topic, schema and table in {stack.settings.state}"
        ask(f"Delete {everything}?", "reset deletes data and cannot ask here: pass --yes")
    with telling(lambda: left_running(stack)):
        stack.reset(_say)


@app.command()
def env(state: State = None, as_json: Json = False) -> None:
    """Print the environment of the running stack's clients: eval "$(k2 stack env)"."""
    _print_environment(_stack(state).env(), as_json)


@app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
def exec(  # noqa: A001  # the command's name
    command: Annotated[list[str], typer.Argument(metavar="-- CMD…")], state: State = None, catalog: Catalog = None
) -> None:
    """Run a command in the stack's environment, starting what does not run and stopping that afterwards."""
    stack = _stack(state, catalog)
    with child.terminable(), _started(stack):
        code = child.run(command, stack.env())
    raise typer.Exit(code)


@contextmanager
def _started(stack: "Stack") -> Iterator[None]:
    with telling(lambda: left_running(stack)):
        started = stack.start(_say)
    try:
        yield
    finally:
        with child.undisturbed():
            stack.down(_say, only=started)


def _stack(state: Path | None, catalog: str | None = None) -> "Stack":
    from k2_local import Stack, StackSettings

    given = {"k2_state_dir": state, "k2_catalog": catalog}
    return Stack(StackSettings.load(**{name: value for name, value in given.items() if value}))


def left_running(stack: "Stack") -> str:
    """What of a stack runs now, and how to stop it."""
    folder = stack.settings.state
    if running := stack.running():
        return (
            f"{', '.join(running)} still run in {folder}: 'k2 stack down --state {shlex.quote(str(folder))}' stops them"
        )
    return f"nothing runs in {folder}"


def _none_in(stack: "Stack") -> str:
    return f"no stack was ever started in {stack.settings.state}: {_elsewhere()}"


def _elsewhere() -> str:
    return "'k2 stack up' starts one, --state or K2_STATE_DIR name another folder"


def _parts(stack: "Stack", part: str | None) -> tuple[str, ...]:
    names = stack.names
    if part is None:
        return names
    if part not in names:
        raise ConfigError(f"there is no part {part!r}: it is one of {', '.join(names)}")
    return (part,)


def _print_environment(environment: dict[str, str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(environment, indent=2))
    else:
        typer.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()))


def _cells(part: "PartStatus") -> list["str | Text"]:
    from rich.text import Text

    name, state, *rest = asdict(part).values()
    return [name, Text(state, _STYLES[state]), *("" if value is None else str(value) for value in rest)]


def _say(line: str) -> None:
    from k2_local.progress import chatter

    chatter().print(line, markup=False, emoji=False, soft_wrap=True)
