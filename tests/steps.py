"""The steps of a suite that goes from one to the next, and what came of each."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.table import Table
from tests.rounds import CONSOLE

from k2_shared.core.errors import K2Error


@dataclass
class Steps:
    """What was done, in order; the first that does not hold ends them. ``title`` says whose they are."""

    title: str
    done: list[tuple[str, bool, float]] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step, which holds where its block raises nothing."""
        CONSOLE.print(f"{self.title}: {name}")
        began, held = time.monotonic(), False
        try:
            yield
            held = True
        except K2Error as error:
            self.unequal.append(f"{name}: {error}")
            CONSOLE.print(self.unequal[-1], style="red")
            raise
        finally:
            self.done.append((name, held, time.monotonic() - began))

    def show(self) -> None:
        """Tell of them."""
        table = Table("step", "holds", "s", title=self.title)
        for name, held, seconds in self.done:
            table.add_row(name, "yes" if held else "NO", f"{seconds:.0f}")
        CONSOLE.print(table)
