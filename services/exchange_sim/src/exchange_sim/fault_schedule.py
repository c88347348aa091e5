"""Faults that come by themselves: random ones by rate and seed, and those of a script; injected when they are due."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

from exchange_sim.catalogue import INJECTED, Bound, Fault
from exchange_sim.fault_request import FaultRequest, Markets, choices, parse
from exchange_sim.inject import Injector
from exchange_sim.model import Venue
from k2_shared.core.errors import ConfigError


class ScheduledFault(NamedTuple):
    """A fault and when it is due, in seconds after playback began."""

    at_s: float
    request: FaultRequest


def random_faults(per_minute: float, markets: Markets, seed: int) -> Iterator[ScheduledFault]:
    """Faults without end at random moments, so many a minute in the mean; kinds by their weights.

    The seed fixes every one of them; a venue has its own share, whoever else takes part.
    """
    random = Random(f"{seed}/storm")  # noqa: S311  # repeatable on purpose
    pairs = [(kind, venue) for kind, fault in INJECTED.items() for venue in fault.venues if markets.get(venue)]
    weights = [INJECTED[kind].weight / len(INJECTED[kind].venues) for kind, _ in pairs]
    at_s = 0.0
    for _ in count():
        at_s += random.expovariate(per_minute / 60)
        ((kind, venue),) = random.choices(pairs, weights)
        yield ScheduledFault(at_s, _random_fault(kind, venue, markets, random))


def _random_fault(kind: str, venue: Venue, markets: Markets, random: Random) -> FaultRequest:
    fault = INJECTED[kind]
    amount = _draw(fault.count, random)
    return FaultRequest(
        kind,
        venue,
        None
        if fault.scope == "venue" or (fault.scope == "any" and random.random() < 1 / 2)
        else random.choice(markets[venue]),
        None if amount is None else round(amount),
        _draw(fault.seconds, random),
        _value(kind, fault, venue, random),
    )


def _value(kind: str, fault: Fault, venue: Venue, random: Random) -> float | str | None:
    forms = choices(kind, fault, venue)
    return random.choice(forms) if forms else _draw(fault.value, random)


def _draw(bound: Bound | None, random: Random) -> float | None:
    return None if bound is None else random.uniform(*bound.storm)


def scripted_faults(path: Path, markets: Markets, seed: int) -> list[ScheduledFault]:
    """Read JSON lines of faults, each with ``at_s``, the seconds after playback began.

    Raises:
        ConfigError: the file cannot be read, or a line makes no sense; names the line.
    """
    random = Random(f"{seed}/script")  # noqa: S311  # repeatable on purpose
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the faults script {path} cannot be read: {error}") from None
    told = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return sorted((_due(path, number, line, markets, random) for number, line in told), key=lambda due: due.at_s)


def _due(path: Path, number: int, line: str, markets: Markets, random: Random) -> ScheduledFault:
    try:
        said = json.loads(line)
        return ScheduledFault(_moment(said), parse(said, markets, random))
    except ValueError as error:
        raise ConfigError(f"{path}:{number}: not JSON: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}:{number}: {error}") from None


def _moment(said: object) -> float:
    at_s = said.pop("at_s", None) if isinstance(said, dict) else None
    if not isinstance(at_s, int | float) or at_s < 0:
        raise ConfigError(f"at_s={at_s!r} is not allowed: seconds after the start, 0 or more")
    return at_s


async def inject_when_due(injector: Injector, faults: Iterable[ScheduledFault]) -> None:
    """Inject each fault when it is due; one that waits for a stuck peer does not hold up the next."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as injecting:
        for due in faults:
            await asyncio.sleep(max(0.0, began + due.at_s - loop.time()))
            injecting.create_task(injector.inject(due.request))
