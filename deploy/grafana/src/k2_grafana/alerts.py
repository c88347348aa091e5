"""The limits that panels share with Prometheus' alerts: they are read from its rules, so that no panel has others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_COMPARED = re.compile(r" ([<>]|==) ([\d.]+(?: \+ [\d.]+)*)")


@dataclass(frozen=True)
class Alert:
    """A rule: how bad it is, the limit from which on it is, or with ``is_least`` below which, and its runbook's file.

    The limit is the first number that its expression is compared with, None where there is none. What must not be more
    than 0 is counted, so 1 is the first value that is too much.
    """

    name: str
    severity: str
    limit: float | None
    is_least: bool
    readme: str


def read(rules: Path) -> Mapping[str, Alert]:
    """The alerts of a file of rules by name."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    found = [_alert(rule) for group in groups for rule in group["rules"] if "alert" in rule]
    return {alert.name: alert for alert in found}


def _alert(rule: Mapping[str, Any]) -> Alert:
    found = _COMPARED.search(rule["expr"])
    limit = sum(map(float, found[2].split(" + "))) if found else None
    is_least = found is not None and (found[1] == "<" or found[0] == " == 0")
    readme = rule["annotations"]["runbook"].partition(",")[0]
    return Alert(rule["alert"], rule["labels"]["severity"], 1.0 if limit == 0 else limit, is_least, readme)
