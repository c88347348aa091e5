"""Say in one line what this machine lacks before anything is installed."""

import importlib.util
import platform
import sys

MINIMUM = (3, 11)


def problem() -> str | None:
    """Return what is missing and how to get it, or None."""
    if sys.version_info < MINIMUM:
        return f"Python {platform.python_version()} is too old: install Python 3.11 or later, or set PYTHON=python3.x"
    if importlib.util.find_spec("ensurepip") is None:
        return "Python's venv module is missing: install it (on Debian: apt-get install python3-venv)"
    return None


if __name__ == "__main__":
    if found := problem():
        sys.stderr.write(f"k2: {found}\n")
        sys.exit(2)
