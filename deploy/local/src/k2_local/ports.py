"""Which ports a stack uses: set by hand, remembered, or chosen free."""

import random
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Self

from k2_local.settings import Catalog, StackSettings
from k2_shared.core.errors import ConfigError
from k2_support.ports import claim, is_free

GRPC = 10_000  # SeaweedFS listens for gRPC at each of its ports plus this

_OF_PARTS = {
    "kafka": ("kafka", "kafka_controller"),
    "registry": ("registry",),
    "clickhouse": ("clickhouse",),
    "seaweed": ("s3", "seaweed_master", "seaweed_volume", "seaweed_filer", "seaweed_admin"),
}
PORTS: Mapping[Catalog, Mapping[str, tuple[str, ...]]] = {
    "seaweed": {**_OF_PARTS, "seaweed": (*_OF_PARTS["seaweed"], "iceberg")},
    "postgres": {**_OF_PARTS, "postgres": ("postgres",), "rest_catalog": ("iceberg",)},
}
"""The ports of each part, by the catalog of the stack."""
SPARK: Mapping[str, tuple[str, ...]] = {
    "spark-master": ("spark", "spark_web"),
    "spark-worker-1": ("spark_worker_1", "spark_worker_1_web"),
    "spark-worker-2": ("spark_worker_2", "spark_worker_2_web"),
}
"""The ports of each part of the Spark cluster."""
METRICS: Mapping[str, tuple[str, ...]] = {"prometheus": ("prometheus",)}
"""The ports of what watches a stack."""

# With GRPC added they meet neither each other nor the ports that kernels give to outgoing connections.
_CHOICES = range(11_000, 21_000)
_ATTEMPTS = 1_000
_RELEASE_S = 3.0


class PortClaims:
    """Ports that a starting stack has chosen, so that another one that starts at the same time chooses others.

    PortClaims are held until the stack listens.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for held in self._held:
            held.close()

    def take(self, part: str, port: int) -> int | None:
        """Claim a port of a part; returns the first of those that come with it that somebody has, or None."""
        for one in _with_it(part, port):
            claimed = claim(one)
            if claimed is None:
                return one
            self._held.append(claimed)
        return None


def names_of(settings: StackSettings, part: str) -> tuple[str, ...]:
    """The names of a part's ports."""
    return {**PORTS[settings.catalog], **SPARK, **METRICS}[part]


def assign(
    settings: StackSettings,
    part: str,
    remembered: Mapping[str, int],
    report: Callable[[str], None],
    claims: PortClaims,
) -> dict[str, int]:
    """Give each port of a part that is about to start a number, and claim it.

    A remembered port that is busy is replaced, and ``report`` is told; ``remembered`` holds other parts' too.

    Raises:
        ConfigError: a port that was set by hand is busy; names the variable, the port and what to do.
    """
    names = names_of(settings, part)
    taken = {port for name, port in remembered.items() if name not in names}
    chosen: dict[str, int] = {}
    for name in names:
        port = _by_hand(settings, part, name, taken, claims) or _remembered(part, name, remembered, report, claims)
        chosen[name] = port or choose(part, taken, claims)
        taken.add(chosen[name])
    return chosen


def await_release(settings: StackSettings, part: str, remembered: Mapping[str, int]) -> None:
    """Wait a moment for the ports of a part that crashed: its last threads hold them until they are gone."""
    deadline = time.monotonic() + _RELEASE_S
    held = [remembered[name] for name in names_of(settings, part) if name in remembered]
    while any(not is_free(one) for port in held for one in _with_it(part, port)) and time.monotonic() < deadline:
        time.sleep(0.1)


def contradiction(settings: StackSettings, part: str, remembered: Mapping[str, int]) -> str | None:
    """Which port set by hand a part that already runs does not have, in a sentence; None if there is none."""
    for name in names_of(settings, part):
        port = settings.port_set_by_hand(name)
        if port is not None and port != remembered.get(name):
            running = f"{part} already runs with {name} on port {remembered.get(name)}"
            return f"K2_{name.upper()}_PORT={port} cannot be used, {running}"
    return None


def _by_hand(settings: StackSettings, part: str, name: str, taken: Collection[int], claims: PortClaims) -> int | None:
    port = settings.port_set_by_hand(name)
    if port is None:
        return None
    busy = port if port in taken else claims.take(part, port)
    if busy is not None:
        variable = f"K2_{name.upper()}_PORT"
        raise ConfigError(
            f"{variable}={port} cannot be used, port {busy} is busy: stop what listens there, "
            f"set {variable} to another port, or unset it to have a free one chosen"
        )
    return port


def _remembered(
    part: str, name: str, remembered: Mapping[str, int], report: Callable[[str], None], claims: PortClaims
) -> int | None:
    port = remembered.get(name)
    if port is None or claims.take(part, port) is None:
        return port
    report(f"{name}: the remembered port {port} is busy, choosing another")
    return None


def choose(part: str, taken: Collection[int], claims: PortClaims) -> int:
    """A free port for a part, claimed; not one that outgoing connections get.

    Raises:
        ConfigError: none is free.
    """
    for port in _candidates():
        if port not in taken and claims.take(part, port) is None:
            return port
    raise ConfigError(f"no free port between {_CHOICES.start} and {_CHOICES.stop}: stop something, or set K2_*_PORT")


def _candidates() -> Iterator[int]:
    return iter(random.sample(_CHOICES, _ATTEMPTS))


def _with_it(part: str, port: int) -> tuple[int, ...]:
    """A port and those that come with it."""
    return (port, port + GRPC) if part == "seaweed" else (port,)
