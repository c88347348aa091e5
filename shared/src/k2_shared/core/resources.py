"""What every component is meant to take of CPUs and memory, as ``schemas/resources.yaml`` says; read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from k2_shared.core import contracts


@dataclass(frozen=True, slots=True)
class ResourceTarget:
    """The most that something is meant to take: CPUs, and memory in MB of 1,048,576 bytes."""

    cpus: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Component:
    """A service of docker-compose.yml, which may be a ``part`` of the local stack, and what it is meant to take.

    ``own`` is a process of ours without Spark, ``batch`` one that only the compose profile of that name starts.
    """

    name: str
    target: ResourceTarget
    part: str
    own: bool = False
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """Every component by its name, and what they may take together.

    ``own`` is of our processes, ``plain`` of everything but what is ``batch``, ``batch`` of everything.
    """

    components: Mapping[str, Component]
    own: ResourceTarget
    plain: ResourceTarget
    batch: ResourceTarget

    def find(self, name: str) -> Component | None:
        """The component of a service or of a part of the local stack; None where it is neither's name."""
        alike = (each for each in self.components.values() if name in (each.name, each.part))
        return next(alike, None)


@cache
def resources() -> Resources:
    """The contract of every component."""
    document = yaml.safe_load(contracts.ROOT.joinpath("resources.yaml").read_text(encoding="utf-8"))
    found = [_component(name, said) for key, said in document["components"].items() for name in _names(key)]
    totals = {name: ResourceTarget(**said) for name, said in document["totals"].items()}
    return Resources({each.name: each for each in found}, **totals)


def _names(key: str) -> list[str]:
    """The components of a line: one for each venue where it says ``{venue}``."""
    return [venue.filled(key) for venue in contracts.venues().values()] if "{venue}" in key else [key]


def _component(name: str, said: Mapping[str, Any]) -> Component:
    fields = {"part": name, **said}
    return Component(name, ResourceTarget(fields.pop("cpus"), fields.pop("memory_mb")), **fields)
