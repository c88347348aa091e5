"""A program that Debian has and no registry of packages: out of its package, without root, kept once per user."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests import debian

from k2_local import StackSettings
from k2_local.disk import explained, locked


@dataclass(frozen=True)
class Program:
    """A program, and the package that has it in /usr/bin."""

    name: str
    package: str

    def found(self) -> str | None:
        """Where it is on this machine, or None."""
        kept = self._kept()
        return shutil.which(self.name) or (os.fspath(kept) if kept.is_file() else None)

    def fetch(self) -> str:
        """Get it if it is not here; takes up to a minute.

        Raises:
            ConfigError: apt is not here, or does not give the package; says why.
        """
        kept = self._kept()
        with explained(kept.parent, "K2_CACHE_DIR"), locked(kept.parent / f"{self.name}.lock", lambda: None):
            return self.found() or self._unpacked(kept)

    def _kept(self) -> Path:
        return StackSettings.load().cache / self.name

    def _unpacked(self, kept: Path) -> str:
        with tempfile.TemporaryDirectory(prefix=f".staging-{self.name}-", dir=kept.parent) as staging:
            debian.unpack([self.package], Path(staging))
            (Path(staging) / "usr/bin" / self.name).replace(kept)
        return os.fspath(kept)
