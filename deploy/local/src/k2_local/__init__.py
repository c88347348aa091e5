"""The embedded stack: real Kafka, registry, object store and catalog without Docker."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k2_local.settings import StackSettings
    from k2_local.stack import Stack
    from k2_local.status import PartStatus

__all__ = ["PartStatus", "Stack", "StackSettings"]

_MODULES = {"PartStatus": "status", "Stack": "stack", "StackSettings": "settings"}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used: a command's help needs none of the stack's libraries."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
