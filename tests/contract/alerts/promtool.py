"""Prometheus' own judge of rules: from PATH, or out of Debian's package, unpacked without root.

Run as a program it makes sure that promtool is there, and prints where.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.debian_program import Program

from k2_shared.core.errors import K2Error

REQUIRED = "PROMTOOL"  # set to "required", its absence is a failure
_PROGRAM = Program("promtool", "prometheus")
_RUN_S = 60


def found() -> str | None:
    """Where promtool is on this machine, or None."""
    return _PROGRAM.found()


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
    return _PROGRAM.fetch()


if __name__ == "__main__":
    try:
        sys.stdout.write(fetch() + "\n")
    except K2Error as error:
        sys.stderr.write(f"k2: {error}\n")
        sys.exit(error.exit_code if os.environ.get(REQUIRED) == "required" else 0)
