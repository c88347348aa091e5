"""The compose file, read as Docker reads it: variables replaced by their defaults."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_INNERMOST = re.compile(r"\$\{([A-Z0-9_]+):-([^${}]*)\}")


@dataclass(frozen=True)
class Compose:
    """The file's variables with their defaults, and its content with every variable replaced."""

    variables: dict[str, set[str]]
    content: dict[str, Any]

    @property
    def services(self) -> dict[str, Any]:
        """The services by name."""
        found: dict[str, Any] = self.content["services"]
        return found

    @property
    def built(self) -> dict[str, str]:
        """The folder of services/ that each service is built from, by the service's name."""
        built = {name: each["build"].get("args", {}) for name, each in self.services.items() if "build" in each}
        return {name: args["SERVICE"] for name, args in built.items() if "SERVICE" in args}


def replaced_by_defaults(text: str) -> tuple[str, dict[str, set[str]]]:
    """Replace variables by their defaults, from the inside out; returns the defaults as well."""
    seen: dict[str, set[str]] = {}
    while match := _INNERMOST.search(text):
        name, default = match.groups()
        seen.setdefault(name, set()).add(default)
        text = text[: match.start()] + default + text[match.end() :]
    return text, seen
