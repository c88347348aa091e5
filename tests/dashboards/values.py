"""Values as Grafana writes them, by the unit of their panel."""

from collections.abc import Sequence

_SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_RATES = {"cps": "/s", "mps": "msg/s", "recps": "rec/s", "rowsps": "rows/s"}


def written(value: float, unit: str) -> str:
    """A value in the largest unit of which it has one, as 1.5 min or 12 k rows/s."""
    if unit == "percentunit":
        return f"{_short(100 * value)}%"
    if unit == "s":
        return _scaled(value, _SECONDS)
    if unit in {"bytes", "Bps"}:
        return _scaled(value, _BYTES) + ("/s" if unit == "Bps" else "")
    return f"{_scaled(value, _COUNTS)} {_RATES.get(unit, '')}".strip()


def _scaled(value: float, scale: Sequence[tuple[float, str]]) -> str:
    size, name = next((each for each in scale if abs(value or 1.0) >= each[0]), scale[-1])
    return f"{_short(value / size)} {name}".strip()


def _short(value: float) -> str:
    """Three digits, and no zeros behind the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
