"""Asking before something is deleted."""

import sys
from typing import Annotated

import typer

from k2_shared.core.errors import ConfigError

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def ask(question: str, unasked: str) -> None:
    """Return if a person at a terminal agrees. Blocks.

    Raises:
        ConfigError: nobody is there to be asked; ``unasked`` says what to pass instead.
        typer.Abort: they do not agree.
    """
    if not sys.stdin.isatty():
        raise ConfigError(unasked)
    typer.confirm(question, abort=True, err=True)
