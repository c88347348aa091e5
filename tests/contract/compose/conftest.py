"""The compose file, read as Docker reads it: variables replaced by their defaults."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
_NAME = re.compile(r"\$\{([A-Z0-9_]+)")
_INNERMOST = re.compile(r"\$\{([A-Z0-9_]+):-([^${}]*)\}")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


@dataclass(frozen=True)
class Compose:
    """The file's text and, with every variable at its default, its content."""

    text: str
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
        return {name: each["build"]["args"]["SERVICE"] for name, each in self.services.items() if "build" in each}


def _defaults(text: str) -> tuple[str, dict[str, set[str]]]:
    """Replace variables by their defaults, from the inside out; returns the defaults as well."""
    seen: dict[str, set[str]] = {}
    while match := _INNERMOST.search(text):
        name, default = match.groups()
        seen.setdefault(name, set()).add(default)
        text = text[: match.start()] + default + text[match.end() :]
    return text, seen


@pytest.fixture(scope="session")
def compose() -> Compose:
    text = _COMMENT.sub("", (ROOT / "docker-compose.yml").read_text())
    replaced, variables = _defaults(text)
    assert not _NAME.findall(replaced), "a variable has no default"
    return Compose(text, variables, yaml.safe_load(replaced))


@pytest.fixture(scope="session")
def example() -> dict[str, str]:
    """The variables of .env.example; one that stands twice fails."""
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    pairs = [tuple(line.split("=", 1)) for line in lines]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
