"""``k2 stack``: the local stack from the command line. Data goes to stdout, chatter to stderr.

The stack's libraries are imported when a command runs.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.consent import Yes, ask
from k2.interruption import telling
from k2.servers import (
    Following,
    Json,
    Lines,
    PartName,
    State,
    elsewhere,
    given,
    left_running,
    print_environment,
    print_logs,
    print_parts,
    say,
)
from k2_local import child

if TYPE_CHECKING:
    from k2_local import Stack
    from k2_local.monitoring import Monitoring

app = typer.Typer(
    help="Kafka, schema registry, S3, Iceberg catalog and ClickHouse on this machine.",
    no_args_is_help=True,
    add_completion=False,
)

Catalog = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        help="Iceberg catalog of a new stack: seaweed, or postgres (downloads 80 MB once).",
        show_default="seaweed",
    ),
]

Metrics = Annotated[bool, typer.Option("--metrics", help="Prometheus too, over the agents that use the stack.")]


@app.command()
def up(state: State = None, catalog: Catalog = None, metrics: Metrics = False, as_json: Json = False) -> None:
    """Start the stack, wait until every part works, and print its clients' environment."""
    stack, monitoring = _stack(state, catalog), _monitoring(state)
    with child.terminable(), telling(lambda: left_running(stack, monitoring)):
        if metrics:
            say(f"Prometheus is at {monitoring.up(say)}")
        print_environment(stack.up(say), as_json)


@app.command()
def down(state: State = None) -> None:
    """Stop what the stack started, and nothing else."""
    stack, monitoring = _stack(state), _monitoring(state)
    with telling(lambda: left_running(stack, monitoring)):
        monitoring.down(say)
        stack.down(say)


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show every part; exits 0 if all are up, 1 otherwise."""
    from k2_local.status import whole

    stack = _stack(state)
    parts = [*stack.status(), *_monitoring(state).shown()]
    overall = whole(parts)
    if as_json:
        typer.echo(json.dumps({"stack": overall, "parts": [asdict(part) for part in parts]}, indent=2))
    else:
        print_parts(parts)
        say(f"the stack is {overall}" if stack.exists() else _none_in(stack))
    raise typer.Exit(overall != "up")


@app.command()
def logs(part: PartName = None, state: State = None, lines: Lines = 20, following: Following = False) -> None:
    """Print the ends of the parts' logs."""
    print_logs(_stack(state), part, lines, following=following)


@app.command()
def reset(state: State = None, yes: Yes = False) -> None:
    """Stop the stack and delete its topics, schemas, tables and logs."""
    stack = _stack(state)
    if not yes:
        everything = f"every topic, schema and table in {stack.settings.state}"
        ask(f"Delete {everything}?", "reset deletes data and cannot ask here: pass --yes")
    monitoring = _monitoring(state)
    with telling(lambda: left_running(stack, monitoring)):
        monitoring.reset(say)
        stack.reset(say)


@app.command()
def env(state: State = None, as_json: Json = False) -> None:
    """Print the environment of the running stack's clients: eval "$(k2 stack env)"."""
    print_environment(_stack(state).env(), as_json)


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
        started = stack.start(say)
    try:
        yield
    finally:
        with child.undisturbed():
            stack.down(say, only=started)


def _stack(state: Path | None, catalog: str | None = None) -> "Stack":
    from k2_local import Stack, StackSettings

    return Stack(StackSettings.load(**given(state, k2_catalog=catalog)))


def _monitoring(state: Path | None) -> "Monitoring":
    from k2_local import StackSettings
    from k2_local.monitoring import Monitoring

    return Monitoring(StackSettings.load(**given(state)))


def _none_in(stack: "Stack") -> str:
    return f"no stack was ever started in {stack.folder}: {elsewhere(stack)}"
