"""Which fault comes when, by seed: every kind once, in any order, and then at random by its weight."""

import random
import signal
from collections.abc import Awaitable, Callable, Iterator

from tests.faults import kills, owners, servers, wire
from tests.faults.faults import Fault, Injected
from tests.faults.proxy import APIS, Action
from tests.faults.rig import SERVICES, Rig

_ACTIONS: tuple[Action, ...] = ("drop", "delay", "truncate")
_KILLS, _RARE, _SLOW = 12, 2, 1


def kinds() -> list[tuple[Fault, int]]:
    """Every kind of fault and its weight: the slow ones are rarer."""
    found = [(Fault(f"broker {n.name}", _broker(n)), _RARE) for n in (signal.SIGTERM, signal.SIGKILL)]
    for service in SERVICES:
        found += _of_processes(service)
        found += [(_reply(service, api, action), _SLOW) for api in APIS for action in _ACTIONS]
    return found


def schedule(rng: random.Random) -> Iterator[Fault]:
    """Faults without end."""
    every = kinds()
    yield from (fault for fault, _ in rng.sample(every, len(every)))
    faults, weights = zip(*every, strict=True)
    while True:
        yield from rng.choices(faults, weights)


def _of_processes(service: str) -> list[tuple[Fault, int]]:
    async def points(rig: Rig) -> list[Injected]:
        every = kills.POINTS[service]
        return await kills.kill_at_all(rig, rig.rng.choice(rig.members(service)), tuple(rig.rng.sample(every, 3)))

    async def anywhere(rig: Rig) -> list[Injected]:
        return await kills.kill_anywhere(rig, rig.rng.choice(rig.members(service)))

    async def in_order(rig: Rig) -> list[Injected]:
        return await kills.stop_in_order(rig, rig.rng.choice(rig.members(service)))

    async def zombie(rig: Rig) -> list[Injected]:
        stopped, successor = rig.rng.sample(rig.members(service), 2)
        return await owners.zombie(rig, stopped, successor, rig.rng.choice(("after_send", "before_commit")))

    async def two_owners(rig: Rig) -> list[Injected]:
        return await owners.two_owners(rig, service)

    async def storm(rig: Rig) -> list[Injected]:
        return await owners.storm(rig, service)

    async def registry(rig: Rig) -> list[Injected]:
        return await servers.registry_down(rig, rig.rng.choice(rig.members(service)))

    return [
        (Fault(f"{service} killed at points", points), _KILLS),
        (Fault(f"{service} killed anywhere", anywhere), _KILLS),
        (Fault(f"{service} redeployed", in_order), _RARE),
        (Fault(f"{service} zombie", zombie), _RARE),
        (Fault(f"{service} two owners", two_owners), _RARE),
        (Fault(f"{service} storm", storm), _SLOW),
        (Fault(f"{service} without registry", registry), _SLOW),
    ]


def _reply(service: str, api: str, action: Action) -> Fault:
    async def inject(rig: Rig) -> list[Injected]:
        return await wire.reply(rig, service, api, action)

    return Fault(f"{service} {api} {action}", inject)


def _broker(number: signal.Signals) -> Callable[[Rig], Awaitable[list[Injected]]]:
    async def inject(rig: Rig) -> list[Injected]:
        return await servers.broker_down(rig, number)

    return inject
