"""Prometheus' own judge of rules: from PATH, or out of Debian's package, unpacked without root.

Run as a program it makes sure that promtool is there, and prints where.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from k2_local import StackSettings
from k2_local.disk import explained, locked
from k2_shared.core.errors import ConfigError, K2Error

PACKAGE = "prometheus"
REQUIRED = "PROMTOOL"  # set to "required", its absence is a failure
_APT_S, _RUN_S = 300, 300


def found() -> str | None:
    """Where promtool is on this machine, or None."""
    kept = _kept()
    return shutil.which("promtool") or (os.fspath(kept) if kept.is_file() else None)


def needed() -> str:
    """Where promtool is; a test without it is skipped, or fails where it is required."""
    path = found()
    if path:
        return path
    lacking = "promtool is not here: 'make test-alerts' fetches it where apt has Debian's package 'prometheus'"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{REQUIRED}=required, and {lacking}")
    pytest.skip(lacking)


def run(*arguments: str, folder: Path) -> None:
    """Run promtool in a folder.

    Raises:
        AssertionError: it finds something wrong; quotes it.
    """
    done = subprocess.run([needed(), *arguments], cwd=folder, capture_output=True, text=True, timeout=_RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr


def fetch() -> str:
    """Get promtool if it is not here, once per user; takes up to a minute.

    Raises:
        ConfigError: apt is not here, or does not give the package; says why.
    """
    kept = _kept()
    with explained(kept.parent, "K2_CACHE_DIR"), locked(kept.parent / "promtool.lock", lambda: None):
        return found() or _unpacked(kept)


def _kept() -> Path:
    return StackSettings.load().cache / "promtool"


def _unpacked(kept: Path) -> str:
    with tempfile.TemporaryDirectory(prefix=".staging-promtool-", dir=kept.parent) as staging:
        folder = Path(staging)
        _apt(folder, "update")
        _apt(folder, "download", PACKAGE)
        (package,) = folder.glob("*.deb")
        _done(["dpkg", "-x", package.name, "unpacked"], folder)
        (folder / "unpacked/usr/bin/promtool").replace(kept)
    return os.fspath(kept)


def _apt(folder: Path, *arguments: str) -> None:
    """Run apt-get on this machine's sources, with lists and caches of our own: those of the machine are root's."""
    own = {"Dir::State": folder / "state", "Dir::State::status": "/var/lib/dpkg/status", "Dir::Cache": folder / "cache"}
    for made in ("state/lists/partial", "cache/archives/partial"):
        (folder / made).mkdir(parents=True, exist_ok=True)
    options = [f"-o{name}={value}" for name, value in own.items()]
    same_user = "-oAPT::Sandbox::User=root"  # apt's own user, which root would become, may not write here
    _done(["apt-get", "-qq", "-oAcquire::Retries=3", same_user, *options, *arguments], folder)


def _done(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_APT_S)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"promtool: cannot run {command[0]} ({error}): install Prometheus' promtool") from None
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise ConfigError(f"promtool: '{command[0]} {command[-1]}' failed: {said[-500:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(fetch() + "\n")
    except K2Error as error:
        sys.stderr.write(f"k2: {error}\n")
        sys.exit(error.exit_code if os.environ.get(REQUIRED) == "required" else 0)
