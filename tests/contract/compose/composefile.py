"""The compose file, read as Docker reads it: variables replaced by their defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
HEALTHY, DONE = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
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

    @property
    def ours(self) -> dict[str, str]:
        """Those of them that run what is in that folder, and not only in its image."""
        return {name: folder for name, folder in self.built.items() if name != "lakekeeper-warehouse"}

    def mounted(self, name: str) -> dict[str, str]:
        """The folders that are named volumes in a service, by the volume's name."""
        volumes = [volume.split(":") for volume in self.services[name].get("volumes", ())]
        return {volume: folder for volume, folder, *_ in volumes if not volume.startswith(".")}

    def before(self, name: str) -> dict[str, Any]:
        """What a service waits for, and for what of it."""
        found: dict[str, Any] = self.services[name].get("depends_on", {})
        return found


def replaced_by_defaults(text: str) -> tuple[str, dict[str, set[str]]]:
    """Replace variables by their defaults, from the inside out; returns the defaults as well."""
    seen: dict[str, set[str]] = {}
    while match := _INNERMOST.search(text):
        name, default = match.groups()
        seen.setdefault(name, set()).add(default)
        text = text[: match.start()] + default + text[match.end() :]
    return text, seen


def seaweedfs_catalog() -> dict[str, str]:
    """The variables by which .env.example says that SeaweedFS' own catalog takes Lakekeeper's place."""
    text = (ROOT / ".env.example").read_text()
    (block,) = re.findall(r"^# Iceberg catalog.*\n((?:#.*\n)+)", text, re.MULTILINE)
    return dict(re.findall(r"^#   (\w+)=(\S+)$", block, re.MULTILINE))


def read_with(given: Mapping[str, str]) -> dict[str, Any]:
    """The services as Docker reads them with these variables."""
    text = (ROOT / "docker-compose.yml").read_text()
    for name, value in given.items():
        text, replaced = re.subn(rf"\$\{{{name}:-[^${{}}]*\}}", value, text)
        assert replaced, name
    found: dict[str, Any] = yaml.safe_load(replaced_by_defaults(text)[0])["services"]
    return found
