"""Judges an alert by sampled series as Prometheus would, for the forms that the feeds' alerts have. Pure."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

Labels = frozenset[tuple[str, str]]
Scrape = Mapping[tuple[str, Labels], float]
"""What was read at one moment: values by name and labels."""
Vector = dict[Labels, float]

ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yaml"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {"==": operator.eq, ">": operator.gt}
_DURATION = re.compile(r"(\d+)(ms|s|m|h)")
_DURATIONS = re.compile(r"(?<=\[)\d+(?:ms|s|m|h)(?=\])|(?<=offset )\d+(?:ms|s|m|h)")
_SELECTED = r"(?P<{0}>k2_\w+(?:\{{[^}}]*\}})?)"
_FOLDED = re.compile(r"(?P<fold>max|sum) by \((?P<by>[\w, ]+)\) \(\s*(?P<inner>.+)\) (?P<sign>==|>) (?P<limit>[\d.]+)")
_OVER = re.compile(rf"(?P<what>increase|max_over_time)\({_SELECTED.format('of')}\[(?P<period>\w+)\]\)")
_BEGUN = re.compile(rf"{_SELECTED.format('of')} > 0 unless {_SELECTED.format('before')} offset (?P<period>\w+)")
_SHARE = re.compile(rf"{_SELECTED.format('of')} > (?P<share>[\d.]+) \* {_SELECTED.format('whole')}")
_MATCHED = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


def seconds(duration: str) -> float:
    """A duration of Prometheus, of one unit or several."""
    return sum(int(count) * _UNITS[unit] for count, unit in _DURATION.findall(duration))


@dataclass(frozen=True)
class Rule:
    """An alert's expression and for how long it must hold."""

    alert: str
    expr: str
    for_s: float

    @classmethod
    def read(cls, alert: str) -> "Rule":
        """As the project ships it."""
        rules = (rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"])
        (said,) = [rule for rule in rules if rule["alert"] == alert]
        return cls(alert, " ".join(said["expr"].split()), seconds(said.get("for", "0s")))

    def shortened(self, by: float) -> "Rule":
        """The same rule for a quicker world: every duration divided."""
        expr = _DURATIONS.sub(lambda found: f"{seconds(found[0]) / by * 1_000:.0f}ms", self.expr)
        return replace(self, expr=expr, for_s=self.for_s / by)

    def written(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"alert": self.alert, "expr": self.expr, "for": f"{self.for_s * 1_000:.0f}ms"}


@dataclass
class Judge:
    """Takes scrapes that are ``every_s`` apart and knows whether the alert fires."""

    rule: Rule
    every_s: float
    scrapes: list[Scrape] = field(default_factory=list)
    fired: list[bool] = field(default_factory=list)  # by scrape
    _held: dict[Labels, int] = field(default_factory=dict)

    @property
    def fires(self) -> bool:
        """Whether it fires now."""
        return bool(self.fired) and self.fired[-1]

    def take(self, scrape: Scrape) -> None:
        """One more scrape."""
        self.scrapes.append(scrape)
        now = len(self.scrapes) - 1
        found = self._expression(self.rule.expr)
        self._held = {labels: self._held.get(labels, now) for labels in found}
        waits = self.rule.for_s / self.every_s
        self.fired.append(any(now - since >= waits for since in self._held.values()))

    def _expression(self, expr: str) -> Vector:
        found = Vector()
        for term in expr.split(" or "):
            found = self._term(term) | found
        return found

    def _term(self, term: str) -> Vector:
        if said := _SHARE.fullmatch(term):
            whole = self._at(said["whole"])
            share = float(said["share"])
            return {key: has for key, has in self._at(said["of"]).items() if key in whole and has > share * whole[key]}
        said = _FOLDED.fullmatch(term)
        assert said, f"no form of this judge: {term}"
        folded = _folded(said["fold"], said["by"].split(", "), self._inner(said["inner"].strip()))
        return {key: has for key, has in folded.items() if _COMPARED[said["sign"]](has, float(said["limit"]))}

    def _inner(self, inner: str) -> Vector:
        if said := _OVER.fullmatch(inner):
            period = list(self._over(said["of"], seconds(said["period"])))
            return _increases(period) if said["what"] == "increase" else _highest(period)
        if said := _BEGUN.fullmatch(inner):
            before = self._at(said["before"], seconds(said["period"]))
            return {key: has for key, has in self._at(said["of"]).items() if has > 0 and key not in before}
        if inner.startswith("abs("):
            return {key: abs(has) for key, has in self._at(inner[4:-1]).items()}
        return self._at(inner)

    def _over(self, selected: str, span_s: float) -> Iterator[Vector]:
        for back in range(round(span_s / self.every_s), -1, -1):
            yield self._at(selected, back * self.every_s)

    def _at(self, selected: str, back_s: float = 0.0) -> Vector:
        """The samples of a moment that a selector selects."""
        at = len(self.scrapes) - 1 - round(back_s / self.every_s)
        name, _, matchers = selected.partition("{")
        wanted = _MATCHED.findall(matchers)
        scrape = self.scrapes[at] if at >= 0 else {}
        return {labels: has for (of, labels), has in scrape.items() if of == name and _matches(dict(labels), wanted)}


def _matches(labels: Mapping[str, str], wanted: Iterable[tuple[str, str, str]]) -> bool:
    return all(
        {"=": has == value, "!=": has != value, "=~": bool(re.fullmatch(value, has))}[sign]
        for label, sign, value in wanted
        for has in [labels.get(label, "")]
    )


def _folded(fold: str, by: Iterable[str], found: Vector) -> Vector:
    groups: dict[Labels, list[float]] = {}
    for labels, has in found.items():
        groups.setdefault(frozenset(each for each in labels if each[0] in by), []).append(has)
    return {labels: max(values) if fold == "max" else sum(values) for labels, values in groups.items()}


def _highest(period: Iterable[Vector]) -> Vector:
    found = Vector()
    for vector in period:
        found |= {key: max(has, found.get(key, has)) for key, has in vector.items()}
    return found


def _increases(period: Iterable[Vector]) -> Vector:
    """By how much counters grew, as they were seen: what a process had counted before its first sample is no growth."""
    last, grown = Vector(), Vector()
    for vector in period:
        for key, has in vector.items():
            if key in last:
                grown[key] = grown.get(key, 0.0) + (has - last[key] if has >= last[key] else has)
        last |= vector
    return grown
