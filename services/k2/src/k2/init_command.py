"""``k2 init`` from the command line; its libraries are imported when it runs."""

import sys

from k2.interruption import telling


def init() -> None:
    """Create every topic, registry subject and table that the contracts name; safe to repeat."""
    from k2.init import InitSettings, apply
    from k2_shared.core.contracts import variables
    from k2_shared.core.errors import ConfigError
    from k2_shared.core.misspellings import clear_misspellings

    # In compose it is the one container that is given all of .env: a service has only what is written for it there.
    if misspelt := clear_misspellings(variables().settings):
        raise ConfigError("; ".join(map(str, misspelt)))
    with telling(lambda: "what is created stays, and 'k2 init' creates the rest"):
        said = apply(InitSettings.load())
    sys.stderr.write(f"{said}\n")
