"""What a stack remembers between commands: its ports, and the processes that it started."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from k2_local.disk import read_json, write_json
from k2_local.processes import Process
from k2_local.settings import DEFAULT_CATALOG, Catalog


class StackState:
    """The small files of one state folder; methods raise OSError, and ConfigError where a file is damaged."""

    def __init__(self, state: Path) -> None:
        self._ports = state / "ports.json"
        self._catalog = state / "catalog.json"
        self._run = state / "run"

    def ports(self) -> dict[str, int]:
        """The remembered ports by name; empty for a new stack."""
        return dict(read_json(self._ports) or {})

    def remember_ports(self, ports: Mapping[str, int]) -> None:
        """Replace the remembered ports."""
        write_json(self._ports, dict(ports))

    def catalog(self) -> Catalog | None:
        """Which catalog the stack has; None for a new one."""
        known: Catalog | None = read_json(self._catalog)
        return known or (DEFAULT_CATALOG if self._ports.exists() else None)  # ports alone: it had no choice yet

    def remember_catalog(self, catalog: Catalog) -> None:
        """Keep which catalog the stack has."""
        write_json(self._catalog, catalog)

    def process(self, part: str) -> Process | None:
        """The process last started for a part and not ended by ``forget``; it may be gone."""
        known = read_json(self._path(part))
        return Process(**known) if known else None

    def remember(self, part: str, process: Process) -> None:
        """Keep a process that was just started."""
        write_json(self._path(part), asdict(process))

    def forget(self, part: str) -> None:
        """The part was stopped on purpose."""
        self._path(part).unlink(missing_ok=True)

    def begin(self, part: str) -> None:
        """The part is about to start for the first time."""
        write_json(self._begun(part), {})

    def is_begun(self, part: str) -> bool:
        """Whether a part has started and never worked: nothing that it wrote was acknowledged to anybody."""
        return self._begun(part).exists()

    def established(self, part: str) -> None:
        """The part works: what is in its folder stays from now on."""
        self._begun(part).unlink(missing_ok=True)

    def _begun(self, part: str) -> Path:
        return self._run / f"{part}.begun"

    def _path(self, part: str) -> Path:
        return self._run / f"{part}.json"
