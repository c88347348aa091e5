"""The metrics of the project, as Prometheus reads them from a process, and what it makes of them."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from prometheus_client import generate_latest

from k2_shared.core.metrics import Metrics

PROMETHEUS = Path(__file__).parents[2] / "deploy/prometheus"
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


@cache
def recorded() -> Mapping[str, str]:
    """Each series that Prometheus records, and the expression that it is made of."""
    groups = yaml.safe_load((PROMETHEUS / "recording.yaml").read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def spelt_out(expr: str) -> str:
    """An expression with what each recorded series is made of in its place."""
    for name, made_of in recorded().items():
        expr = expr.replace(name, made_of)
    return expr
