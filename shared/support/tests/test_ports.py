"""A port that was chosen is nobody else's until its owner listens there."""

import socket
import subprocess
import sys

import pytest

from k2_shared.core.errors import Unavailable
from k2_support import ports
from k2_support.ports import HOST, claim, free_port, is_free

ELSEWHERE = "import sys; from k2_support.ports import claim; sys.exit(claim(int(sys.argv[1])) is None)"


def is_claimed_elsewhere(port: int) -> bool:
    """Whether another process cannot have a port."""
    return subprocess.run([sys.executable, "-c", ELSEWHERE, str(port)], timeout=120, check=False).returncode == 1


def test_a_port_that_was_chosen_is_no_other_processs_and_can_be_listened_on() -> None:
    """Also before anybody listens there; the claim keeps nobody from that."""
    port = free_port()
    assert is_claimed_elsewhere(port)
    with socket.create_server((HOST, port)):
        assert not is_free(port)


def test_a_claim_ends_when_it_is_closed() -> None:
    """Then anybody may have the port."""
    claimed = claim(free := _unclaimed())
    assert claimed
    assert claim(free) is None
    claimed.close()
    assert not is_claimed_elsewhere(free)


def test_a_port_where_somebody_listens_is_not_claimed() -> None:
    """Whoever that is, and the try leaves no claim behind."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert claim(port) is None
    claimed = claim(port)
    assert claimed
    claimed.close()


def test_without_a_free_port_the_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried for ever."""
    monkeypatch.setattr(ports, "CHOICES", range(port := free_port(), port + 1))
    with pytest.raises(Unavailable, match=rf"no free port between {port} and {port + 1}"):
        free_port()


def _unclaimed() -> int:
    """A port of the kernel's choice, which nobody holds."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
