"""Prometheus and Alertmanager, and their own judges of files: from PATH, or out of Debian's packages, without root.

Run as a program it makes sure that they are there, and prints where.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.debian import unpack

from k2_local import StackSettings
from k2_local.disk import explained, locked
from k2_shared.core.errors import K2Error

REQUIRED = "PROMETHEUS_TOOLS"  # set to "required", the absence of one is a failure
_RUN_S = 300
_SHARE = Path("/usr/share")


@dataclass(frozen=True)
class Tool:
    """A program, and Debian's package that has it; ``share`` is the folder of ``/usr/share`` that it reads, if any."""

    name: str
    package: str
    share: str = ""

    def found(self) -> str | None:
        """Where it is on this machine, or None."""
        return shutil.which(self.name) or (os.fspath(self._kept) if self._kept.is_file() else None)

    def needed(self) -> str:
        """Where it is; a test without it is skipped, or fails where it is required."""
        path = self.found()
        if path:
            return path
        lacking = (
            f"{self.name} is not here: 'make test-alerts' fetches it where apt has Debian's package '{self.package}'"
        )
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{REQUIRED}=required, and {lacking}")
        pytest.skip(lacking)

    def command(self) -> list[str]:
        """What starts it; one that is not installed has its folder in a view of the files that is its own.

        A test is skipped, or fails where the program is required, as by ``needed``; and skipped where this machine
        lets nobody have such a view.
        """
        path = self.needed()
        if not self.share or (_SHARE / self.share).exists():
            return [path]
        viewing = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            f'mount --bind "$0" {_SHARE} && exec "$@"',
        ]
        viewing.append(os.fspath(self._kept_share))
        if shutil.which("unshare") is None or subprocess.run([*viewing, "true"], capture_output=True).returncode:
            pytest.skip(
                f"{self.name} reads {_SHARE / self.share}, and no mount can be made here: install {self.package}"
            )
        return [*viewing, path]

    def run(self, *arguments: str, folder: Path) -> str:
        """Run it in a folder, and return what it says.

        Raises:
            AssertionError: it finds something wrong; quotes it.
        """
        done = subprocess.run(
            [self.needed(), *arguments], cwd=folder, capture_output=True, text=True, timeout=_RUN_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fetch(self) -> str:
        """Get it if it is not here, once per user; takes up to a minute.

        Raises:
            ConfigError: apt is not here, or does not give the package; says why.
        """
        kept = self._kept
        with explained(kept.parent, "K2_CACHE_DIR"), locked(kept.parent / f"{self.name}.lock", lambda: None):
            return self.found() or self._unpacked(kept)

    @property
    def _kept(self) -> Path:
        return StackSettings.load().cache / self.name

    @property
    def _kept_share(self) -> Path:
        return self._kept.with_name(f"{self.name}.share")

    def _unpacked(self, kept: Path) -> str:
        with tempfile.TemporaryDirectory(prefix=f".staging-{self.name}-", dir=kept.parent) as staging:
            unpack([self.package], Path(staging))
            if self.share:
                shutil.rmtree(self._kept_share, ignore_errors=True)
                shutil.copytree(Path(staging) / "usr/share" / self.share, self._kept_share / self.share)
            (Path(staging) / "usr/bin" / self.name).replace(kept)
        return os.fspath(kept)


PROMTOOL = Tool("promtool", "prometheus")
AMTOOL = Tool("amtool", "prometheus-alertmanager")
ALERTMANAGER = Tool("prometheus-alertmanager", "prometheus-alertmanager", "prometheus/alertmanager")
PROMETHEUS = Tool("prometheus", "prometheus")
TOOLS = (PROMTOOL, AMTOOL, ALERTMANAGER, PROMETHEUS)


if __name__ == "__main__":
    try:
        sys.stdout.writelines(f"{tool.fetch()}\n" for tool in TOOLS)
    except K2Error as error:
        sys.stderr.write(f"k2: {error}\n")
        sys.exit(error.exit_code if os.environ.get(REQUIRED) == "required" else 0)
