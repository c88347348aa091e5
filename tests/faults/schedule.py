"""Which faults come when, by seed: every kind once, in any order, and then at random by its weight."""

import random
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from tests.faults import kills, owners, servers, wire
from tests.faults.apis import APIS, IN_TRANSACTION
from tests.faults.faults import Fault, Injected
from tests.faults.proxy import Action
from tests.faults.rig import SERVICES, Rig
from tests.faults.supervisor import SupervisedAgent

_ACTIONS: tuple[Action, ...] = ("drop", "delay", "truncate")
_WAYS = (False, True)
_OFTEN, _AT_TIMES, _RARELY = 8, 3, 1
_ALONE_EVERY = 8  # so many steps of the services for one fault of the servers

Injecting = Coroutine[Any, Any, list[Injected]]


def schedule(rng: random.Random) -> Iterator[Sequence[Fault]]:
    """Steps without end: a fault of each service at the same time, and now and then one of the servers alone."""
    silver, gold = (_endless(rng, of_service(service)) for service in SERVICES)
    alone = _endless(rng, of_servers())
    for number, faults in enumerate(zip(silver, gold, strict=True), start=1):
        yield faults
        if number % _ALONE_EVERY == 0:
            yield [next(alone)]


def _endless(rng: random.Random, kinds: list[Fault]) -> Iterator[Fault]:
    yield from rng.sample(kinds, len(kinds))
    while True:
        yield from rng.choices(kinds, [fault.weight for fault in kinds])


def of_servers() -> list[Fault]:
    """The broker ended either way, and processes that start without a registry."""
    brokers = [Fault(f"broker {n.name}", _OFTEN, _broker(n)) for n in (signal.SIGTERM, signal.SIGKILL)]
    return brokers + [Fault(f"{service} without registry", _AT_TIMES, _registry(service)) for service in SERVICES]


def of_service(service: str) -> list[Fault]:
    """Everything that can happen to one service's processes and to their requests and replies."""
    return [
        *(Fault(f"{service} killed {point}", _OFTEN, _kill(service, point)) for point in kills.POINTS[service]),
        Fault(f"{service} killed anywhere", _OFTEN, lambda rig: kills.kill_anywhere(rig, _any(rig, service))),
        Fault(f"{service} redeployed", _AT_TIMES, lambda rig: kills.stop_in_order(rig, _any(rig, service))),
        Fault(f"{service} overtaken", _AT_TIMES, lambda rig: owners.zombie(rig, *_both(rig, service))),
        Fault(f"{service} and a second owner", _AT_TIMES, lambda rig: owners.two_owners(rig, service)),
        Fault(f"{service} rebalance storm", _RARELY, lambda rig: owners.storm(rig, service)),
        Fault(f"{service}: OffsetFetch loading", _AT_TIMES, _reply(service, "OffsetFetch", "loading", times=8)),
        *(Fault(f"{service}: {a} {do}", _RARELY, _reply(service, a, do)) for a in APIS for do in _ACTIONS),
        *(
            Fault(f"{service}: {a} late", _AT_TIMES, _torn(service, a, killed))
            for a in IN_TRANSACTION
            for killed in _WAYS
        ),
    ]


def _any(rig: Rig, service: str) -> SupervisedAgent:
    return rig.rng.choice(rig.members(service))


def _both(rig: Rig, service: str) -> tuple[SupervisedAgent, SupervisedAgent]:
    stopped, successor = rig.rng.sample(rig.members(service), 2)
    return stopped, successor


def _kill(service: str, point: str) -> Callable[[Rig], Injecting]:
    return lambda rig: kills.kill_at_all(rig, _any(rig, service), [point])


def _reply(service: str, api: str, action: Action, times: int = 1) -> Callable[[Rig], Injecting]:
    return lambda rig: wire.reply(rig, service, api, action, times)


def _torn(service: str, api: str, killed: bool) -> Callable[[Rig], Injecting]:
    return lambda rig: wire.torn(rig, service, api, rig.rng.choice(IN_TRANSACTION), killed=killed)


def _broker(number: signal.Signals) -> Callable[[Rig], Injecting]:
    return lambda rig: servers.broker_down(rig, number)


def _registry(service: str) -> Callable[[Rig], Injecting]:
    return lambda rig: servers.registry_down(rig, _any(rig, service))
