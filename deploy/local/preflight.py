"""Say in one line what this machine lacks before anything is installed.

Written so that Python 3.6 reads it too: one that is too old must get as far as saying so.
"""

import importlib.util
import platform
import sys

MINIMUM = (3, 11)


def problem() -> "str | None":  # in quotes, which no old Python evaluates
    """Return what is missing and how to get it, or None."""
    if sys.version_info < MINIMUM:
        return f"Python {platform.python_version()} is too old: install Python 3.11 or later, or set PYTHON=python3.x"
    if importlib.util.find_spec("ensurepip") is None:
        return "Python's venv module is missing: install it (on Debian: apt-get install python3-venv)"
    return None


if __name__ == "__main__":
    found = problem()
    if found:
        sys.stderr.write(f"k2: {found}\n")
        sys.exit(2)
