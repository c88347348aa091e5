"""Every settings class of what is installed as a service, the k2 tool or the local stack."""

import pkgutil
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from k2_shared.core.setting_fields import SettingField, setting_fields
from k2_shared.core.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
TEST_SUPPORT = {"k2_support"}
SERVICES = sorted(folder.parent.name for folder in (ROOT / "services").glob("*/pyproject.toml"))
AGENTS = [service for service in SERVICES if service != "k2"]


@cache
def settings_classes() -> list[type[Settings]]:
    """Every class, wherever it is: each module is imported."""
    for package in sorted(PACKAGES - TEST_SUPPORT):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith(".__main__"):
                import_module(module.name)
    ours = (kind for kind in _below(Settings) if kind.__module__.partition(".")[0] in PACKAGES)
    return sorted(set(ours), key=lambda kind: kind.__qualname__)


def own_fields() -> list[tuple[type[Settings], SettingField]]:
    """Each field once, with the class that says what it is."""
    return [(kind, field) for kind in settings_classes() for field in setting_fields(kind) if field.owner is kind]


def _below(kind: type[Settings]) -> Iterator[type[Settings]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
