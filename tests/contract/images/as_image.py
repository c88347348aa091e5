"""Import a service in a process that has what its image has: itself, k2_shared and what the two say they need.

Run as ``python -m tests.contract.images.as_image SERVICE``; everything else that is installed cannot be imported.
"""

import importlib
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
_LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
OURS = frozenset([*_LAYERS["root_packages"], "shared", "tests"])


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name: str, extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """The distributions that one needs with some of its extras, itself among them, as pip would install them."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, extras)]
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        yield canonical(found[0])
        for line in distribution(found[0]).requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *found[1])):
                waiting.append((requirement.name, frozenset(requirement.extras)))


class Hidden(MetaPathFinder):
    """Finds nothing of what the image does not have, and says so."""

    def __init__(self, names: frozenset[str], why: str) -> None:
        self._names = names
        self._why = why

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None leaves a module to the other finders.

        Raises:
            ModuleNotFoundError: the image does not have it.
        """
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{fullname} is {self._why}", name=fullname)
        return None


def hidden(service: str) -> frozenset[str]:
    """The top-level modules that are installed here and not in the service's image."""
    allowed = set(needed(f"k2-{service.replace('_', '-')}"))
    foreign = {
        module
        for module, distributions in packages_distributions().items()
        if not allowed & {canonical(each) for each in distributions}
    }
    return frozenset(foreign | OURS) - {service, "k2_shared"}


def main(service: str) -> None:
    """Import every module of a service."""
    names = hidden(service)
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]
    sys.meta_path.insert(0, Hidden(names, f"not in the image of {service}"))
    package = importlib.import_module(service)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"{service}.{module.name}")
    sys.stdout.write(" ".join(sorted({name.partition(".")[0] for name in sys.modules} & OURS)))


if __name__ == "__main__":
    main(sys.argv[1])
