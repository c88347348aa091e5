"""Prometheus beside a stack: asked for by ``k2 stack up --metrics``, with ports, processes and logs of its own."""

from functools import cached_property
from pathlib import Path
from shutil import rmtree

from k2_local import scraped
from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.parts import Part, Site
from k2_local.prometheus import Prometheus, program
from k2_local.servers import Report, Servers, no_report
from k2_local.settings import StackSettings
from k2_local.status import PartStatus
from k2_support.ports import HOST

_FOLDER = "metrics"  # of a stack's
_NOBODY = Identity("", "", "")  # it asks nobody who they are


class Monitoring(Servers):
    """The Prometheus of a stack; see ``Servers``."""

    command = "k2 stack"
    kinds: tuple[type[Part], ...] = (Prometheus,)

    def __init__(self, settings: StackSettings) -> None:
        super().__init__(settings.model_copy(update={"k2_state_dir": settings.state / _FOLDER}))

    @property
    def folder(self) -> Path:
        """See ``Servers``: that of the stack beside it."""
        return super().folder.parent

    def up(self, report: Report = no_report) -> str:
        """Start it where it does not run, wait until it works, and return its address.

        Raises:
            ConfigError: there is no Prometheus on this machine; nothing is started or written then.
        """
        _ = self._program
        if not (self.folder / scraped.FILE).exists():
            scraped.write(self.folder, ())
        self.start(report)
        return f"http://{HOST}:{self._state.ports()[Prometheus.answers_at]}"

    def shown(self) -> list[PartStatus]:
        """How it is, where it is meant to run; a stack that was started without it has none."""
        return [part for part in self.status() if part.state != "down"]

    def reset(self, report: Report = no_report) -> None:
        """Stop it and delete what it has scraped."""
        self.down(report)
        if self.settings.state.exists():
            rmtree(self.settings.state)
        (self.folder / scraped.FILE).unlink(missing_ok=True)

    @cached_property
    def _program(self) -> Path:
        return program(self.settings.cache)

    def _site(self) -> Site:
        return Site(self.settings, _NOBODY, self._state.ports())

    def _downloads(self, report: Report) -> Downloads:
        return Downloads(prometheus=self._program)
