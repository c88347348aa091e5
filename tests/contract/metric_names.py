"""The metrics of the project, as Prometheus reads them from a process."""

import re
from collections.abc import Mapping

from prometheus_client import generate_latest

from k2_shared.core.metrics import Metrics

_PARTS = {"histogram": ("_bucket", "_sum", "_count")}


def families() -> Mapping[str, set[str]]:
    """Each metric, and the names of its series."""
    text = generate_latest(Metrics("test", "0").registry).decode()
    found = re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE)
    return {name: {name + part for part in _PARTS.get(kind, ("",))} for name, kind in found}


def names() -> set[str]:
    """Every series' name, and the one that Prometheus makes of each answer."""
    return {"up", *(name for series in families().values() for name in series)}


def asked(expr: str) -> set[str]:
    """The series that an expression names: a process' own, or what is recorded of them."""
    return set(re.findall(r"\b(?:[a-z_]+:)?(?:k2_\w+(?::\w+)?|process_\w+|up\b)", expr))
