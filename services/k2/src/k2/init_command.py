"""``k2 init`` from the command line; its libraries are imported when it runs."""

import sys

from k2.interruption import telling


def init() -> None:
    """Create every topic, registry subject and table that the contracts name; safe to repeat."""
    from k2.init import InitSettings, apply

    with telling(lambda: "what is created stays, and 'k2 init' creates the rest"):
        said = apply(InitSettings.load())
    sys.stderr.write(f"{said}\n")
