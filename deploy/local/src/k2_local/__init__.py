"""The embedded stack: real Kafka, registry, object store and catalog without Docker."""

from k2_local.settings import StackSettings
from k2_local.stack import Stack
from k2_local.status import PartStatus

__all__ = ["PartStatus", "Stack", "StackSettings"]
