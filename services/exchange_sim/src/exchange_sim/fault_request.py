"""A request to inject a fault: from JSON, checked against the catalogue. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from exchange_sim.acks import WRONG
from exchange_sim.catalogue import INJECTED, Bound, Fault
from exchange_sim.model import Venue
from k2_shared.core.errors import ConfigError

FIELDS = ("kind", "venue", "symbol", "count", "seconds", "value", "ids")
MAX_IDS = 100_000
Markets = Mapping[Venue, Sequence[str]]


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """A fault to inject, every default filled in; without a symbol it strikes the whole venue."""

    kind: str
    venue: Venue
    symbol: str | None = None
    count: int | None = None
    seconds: float | None = None
    value: float | str | None = None
    ids: tuple[int, ...] = ()

    @property
    def number(self) -> float:
        """The value of a fault whose value is a number."""
        return float(self.value or 0)


def parse(said: object, markets: Markets, random: Random) -> FaultRequest:
    """Read ``{"kind": …, "venue": …, "symbol"?, "count"?, "seconds"?, "value"?, "ids"?}``.

    ``markets`` are the symbols of the venues that take part; ``random`` chooses what is left open.

    Raises:
        ConfigError: no such fault, or a field that it does not take or allow; says what is allowed.
    """
    if not isinstance(said, Mapping):
        raise ConfigError(f"a fault is a JSON object with {', '.join(FIELDS)}: {said!r} was given")
    unknown = sorted(set(map(str, said)) - set(FIELDS))
    if unknown:
        raise ConfigError(f"{', '.join(unknown)} is no field of a fault: they are {', '.join(FIELDS)}")
    kind = said.get("kind")
    if not isinstance(kind, str) or kind not in INJECTED:
        raise ConfigError(f"kind={kind!r} is not allowed: it is one of {', '.join(INJECTED)}")
    fault = INJECTED[kind]
    venue = _venue(kind, fault, said.get("venue"), markets)
    return FaultRequest(
        kind,
        venue,
        _symbol(kind, fault, said.get("symbol"), markets[venue], random),
        _whole(_number(kind, "count", fault.count, said)),
        _number(kind, "seconds", fault.seconds, said),
        _value(kind, fault, said, venue, random),
        _ids(kind, fault, said),
    )


def choices(kind: str, fault: Fault, venue: Venue) -> tuple[str, ...]:
    """The forms that a fault has at a venue."""
    return WRONG[venue] if kind == "wrong_acks" else fault.choices


def _venue(kind: str, fault: Fault, given: object, markets: Markets) -> Venue:
    for venue in fault.venues:
        if venue in markets and isinstance(given, str) and given.upper() == venue:
            return venue
    allowed = [venue for venue in fault.venues if venue in markets]
    raise ConfigError(f"venue={given!r} is not allowed for {kind}: it is one of {', '.join(allowed) or 'none here'}")


def _symbol(kind: str, fault: Fault, given: object, symbols: Sequence[str], random: Random) -> str | None:
    if given is None:
        return random.choice(symbols) if fault.scope == "symbol" else None
    if fault.scope == "venue":
        raise ConfigError(f"symbol={given!r} is not allowed: {kind} strikes the whole venue, leave it out")
    if given not in symbols:
        raise ConfigError(f"symbol={given!r} is not allowed: it is one of {', '.join(symbols)}")
    return str(given)


def _number(kind: str, name: str, bound: Bound | None, said: Mapping[Any, Any]) -> float | None:
    given = said.get(name)
    if given is None:
        return bound.default if bound else None
    if bound is None:
        raise ConfigError(f"{name}={given!r} is not allowed: {kind} takes no {name}, leave it out")
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not bound.lowest <= given <= bound.highest:
        raise ConfigError(f"{name}={given!r} is not allowed for {kind}: {bound.lowest:g} to {bound.highest:g}")
    return float(given)


def _whole(number: float | None) -> int | None:
    if number is not None and number != int(number):
        raise ConfigError(f"count={number!r} is not allowed: it is a whole number")
    return None if number is None else int(number)


def _value(kind: str, fault: Fault, said: Mapping[Any, Any], venue: Venue, random: Random) -> float | str | None:
    forms = choices(kind, fault, venue)
    if not forms:
        return _number(kind, "value", fault.value, said)
    given = said.get("value")
    if given is None:
        return forms[0] if fault.scope == "symbol" else random.choice(forms)
    if given not in forms:
        raise ConfigError(f"value={given!r} is not allowed for {kind}: it is one of {', '.join(forms)}")
    return str(given)


def _ids(kind: str, fault: Fault, said: Mapping[Any, Any]) -> tuple[int, ...]:
    given = said.get("ids")
    if given is None:
        return ()
    if not fault.ids:
        raise ConfigError(f"ids={given!r} is not allowed: {kind} takes no ids, leave them out")
    whole = isinstance(given, list) and all(isinstance(each, int) and each > 0 for each in given)
    if not whole or not 0 < len(given) <= MAX_IDS:
        raise ConfigError(f"ids={str(given)[:80]} is not allowed: a list of 1 to {MAX_IDS} ids above 0")
    return tuple(given)
