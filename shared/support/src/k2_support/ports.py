"""Ports of this host on which nobody listens, claimed until somebody does."""

import random
import socket
from collections import deque

from k2_shared.core.errors import Unavailable

HOST = "127.0.0.1"
# Linux gives none of them to outgoing connections, or to whoever listens at port 0.
CHOICES = range(61_000, 65_536)
_CLAIMS = 256
_held: deque[socket.socket] = deque(maxlen=_CLAIMS)  # the oldest ends then: its port is used long since


def is_free(port: int) -> bool:
    """Whether nobody listens on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def claim(port: int) -> socket.socket | None:
    """Claim a port, so that no other process that claims gets it; None where one has it or somebody listens there.

    A claim is a UDP socket with the port's number: it keeps nobody from listening there by TCP, which is what the ports
    are for, and ends when it is closed, or with the process.
    """
    claimed = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claimed.bind((HOST, port))
    except OSError:
        claimed.close()
        return None
    if is_free(port):
        return claimed
    claimed.close()
    return None


def free_port() -> int:
    """A TCP port on which nobody listens; no other process gets it from here as long as this one lives.

    Raises:
        Unavailable: none is free.
    """
    for port in random.sample(CHOICES, len(CHOICES)):
        if claimed := claim(port):
            _held.append(claimed)
            return port
    raise Unavailable(f"no free port between {CHOICES.start} and {CHOICES.stop}: stop something")
