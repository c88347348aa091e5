"""The expressions that panels have in common. ``by`` are labels, separated by commas."""

WINDOW = "$__rate_interval"
"""Four scrapes, or more where a pixel is wider: Grafana says."""


def per_second(counter: str, by: str) -> str:
    """How fast a counter grows."""
    return f"sum by ({by}) (rate({counter}[{WINDOW}]))"


def grown(counter: str, by: str, window: str) -> str:
    """By how much a counter has grown."""
    return f"sum by ({by}) (increase({counter}[{window}]))"


def events(counter: str, by: str, window: str, zero: str) -> str:
    """How often something rare happened; 0 of each series of ``zero`` to which nothing did.

    A counter that was not there before has grown by what it is: its first event is no increase.
    """
    return f"{grown(counter, by, window)} > 0 or sum by ({by}) ({counter} unless {counter} offset {window}) or {zero}"


def none(by: str, of: str) -> str:
    """0 of each of those that there are."""
    return f"0 * max by ({by}) ({of})"


def age(timestamp: str, by: str = "") -> str:
    """How long ago the newest one was; what was not yet, which is told as 0, has none."""
    return f"time() - max by ({by}) ({timestamp} > 0)"


def quantile(share: float, histogram: str, by: str, window: str = WINDOW, where: str = "") -> str:
    """The value below which a share of what was observed is."""
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({histogram}_bucket{where}[{window}])))"


def mean(histogram: str, by: str, window: str) -> str:
    """The mean of what was observed."""
    return f"{grown(f'{histogram}_sum', by, window)} / ({grown(f'{histogram}_count', by, window)} > 0)"
