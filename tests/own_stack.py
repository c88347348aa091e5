"""What a long suite runs on: a stack of its own, whose servers may be ended, and a folder for the logs of one run."""

import asyncio
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from k2_local import Stack, StackSettings
from k2_local.settings import DEFAULT_CATALOG, Catalog
from k2_shared.core.settings import RunSettings
from k2_support.probe import BrokenPromise, demand


@contextmanager
def servers(
    state: Path, report: Callable[[str], None] = lambda _line: None, catalog: Catalog = DEFAULT_CATALOG
) -> Iterator[Stack]:
    """Servers that nobody else uses, for the length of the block; they may be ended in it."""
    stack = Stack(StackSettings.load(k2_state_dir=state, k2_catalog=catalog))
    try:
        stack.up(report)
        yield stack
    finally:
        stack.down()


@contextmanager
def own_stack(state: Path, console: Console, catalog: Catalog = DEFAULT_CATALOG) -> Iterator[tuple[Stack, RunSettings]]:
    """A stack that nobody else uses, and a run's settings on it; its broker keeps its promises, or the run ends."""
    with servers(state, lambda line: console.print(line), catalog) as stack:
        found = {name.lower(): value for name, value in stack.env().items() if name.startswith(("KAFKA", "SCHEMA"))}
        settings = RunSettings.load(k2_prefix=f"r{uuid.uuid4().hex[:8]}.", **found)
        try:
            asyncio.run(demand(settings))
        except BrokenPromise as broken:
            raise SystemExit(f"{broken}") from None
        yield stack, settings


def folder_in(state: Path, console: Console, whose: str) -> Path:
    """A new folder for the logs of one run, which is told."""
    state.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=state))
    console.print(f"logs of {whose}: {folder}")
    return folder
