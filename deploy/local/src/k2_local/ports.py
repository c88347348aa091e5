"""Which ports a stack uses: set by hand, remembered, or chosen free."""

import random
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from k2_local.settings import StackSettings
from k2_shared.errors import ConfigError

HOST = "127.0.0.1"
GRPC = 10_000  # SeaweedFS listens for gRPC at each of its ports plus this

PORTS = {
    "kafka": ("kafka", "kafka_controller"),
    "registry": ("registry",),
    "seaweed": ("s3", "iceberg", "seaweed_master", "seaweed_volume", "seaweed_filer", "seaweed_admin"),
}
# With GRPC added they meet neither each other nor the ports that kernels give to outgoing connections.
_CHOICES = range(11_000, 21_000)
_ATTEMPTS = 1_000
_RELEASE_S = 3.0


def is_free(port: int) -> bool:
    """Whether nobody listens on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def assign(
    settings: StackSettings,
    part: str,
    remembered: Mapping[str, int],
    report: Callable[[str], None],
) -> dict[str, int]:
    """Give each port of a part that is about to start a number.

    A remembered port that is busy is replaced, and ``report`` is told; ``remembered`` holds other parts' too.

    Raises:
        ConfigError: a port that was set by hand is busy; names the variable, the port and what to do.
    """
    taken = {port for name, port in remembered.items() if name not in PORTS[part]}
    chosen: dict[str, int] = {}
    for name in PORTS[part]:
        port = _by_hand(settings, part, name, taken) or _remembered(part, name, remembered, report)
        chosen[name] = port or choose(part, taken)
        taken.add(chosen[name])
    return chosen


def await_release(part: str, remembered: Mapping[str, int]) -> None:
    """Wait a moment for the ports of a part that crashed: its last threads hold them until they are gone."""
    deadline = time.monotonic() + _RELEASE_S
    held = [remembered[name] for name in PORTS[part] if name in remembered]
    while any(_busy(part, port) for port in held) and time.monotonic() < deadline:
        time.sleep(0.1)


def contradiction(settings: StackSettings, part: str, remembered: Mapping[str, int]) -> str | None:
    """Which port set by hand a part that already runs does not have, in a sentence; None if there is none."""
    for name in PORTS[part]:
        port = settings.port_set_by_hand(name)
        if port is not None and port != remembered.get(name):
            running = f"{part} already runs with {name} on port {remembered.get(name)}"
            return f"K2_{name.upper()}_PORT={port} cannot be used, {running}: run k2 stack down first"
    return None


def _by_hand(settings: StackSettings, part: str, name: str, taken: Collection[int]) -> int | None:
    port = settings.port_set_by_hand(name)
    if port is None:
        return None
    busy = port if port in taken else _busy(part, port)
    if busy is not None:
        variable = f"K2_{name.upper()}_PORT"
        raise ConfigError(
            f"{variable}={port} cannot be used, port {busy} is busy: stop what listens there, "
            f"set {variable} to another port, or unset it to have a free one chosen"
        )
    return port


def _remembered(part: str, name: str, remembered: Mapping[str, int], report: Callable[[str], None]) -> int | None:
    port = remembered.get(name)
    if port is None or not _busy(part, port):
        return port
    report(f"{name}: the remembered port {port} is busy, choosing another")
    return None


def choose(part: str, taken: Collection[int]) -> int:
    """A free port for a part, not one that outgoing connections get.

    Raises:
        ConfigError: none is free.
    """
    for port in _candidates():
        if port not in taken and not _busy(part, port):
            return port
    raise ConfigError(f"no free port between {_CHOICES.start} and {_CHOICES.stop}: stop something, or set K2_*_PORT")


def _candidates() -> Iterator[int]:
    return iter(random.sample(_CHOICES, _ATTEMPTS))


def _busy(part: str, port: int) -> int | None:
    """The first busy port of those that come with ``port``, or None."""
    with_it = (port, port + GRPC) if part == "seaweed" else (port,)
    return next((one for one in with_it if not is_free(one)), None)
