"""Silence that lasts is said to last, whatever was done about it meanwhile."""

from dataclasses import dataclass, field

from k2_shared.feed.coverage.silent import SilentSymbols

A, B = "BTC/USD", "ETH/USD"


@dataclass
class FakeConnection:
    """A socket by hand."""

    id: int
    last: dict[str, int] = field(default_factory=dict)
    confirmed: tuple[str, ...] = (A, B)


def test_a_silent_symbol_is_silent_until_a_socket_brings_trades_of_it() -> None:
    """New sockets alone heal nothing, and the trades of another symbol say nothing."""
    silent, connection = SilentSymbols(), FakeConnection(1, {B: 1})
    silent.note(A)
    assert silent.look([connection], {A, B}) == {A}
    connection.last[B] = 2
    assert silent.look([connection, FakeConnection(2)], {A, B}) == {A}
    connection.last[A] = 7
    assert silent.look([connection], {A, B}) == {A}
    connection.last[A] = 8
    assert silent.look([connection], {A, B}) == set()


def test_a_snapshot_is_no_sign_of_life() -> None:
    """Each new socket shows the newest trade once: that is another socket's first word, not a second one."""
    silent = SilentSymbols()
    silent.note(A)
    for number in range(1, 5):
        connection = FakeConnection(number)
        assert silent.look([connection], {A}) == {A}
        connection.last[A] = 100 * number
        assert silent.look([connection], {A}) == {A}


def test_a_symbol_that_is_found_silent_again_is_the_same_one() -> None:
    """What was seen of its sockets stays, and one symbol counts once."""
    silent, connection = SilentSymbols(), FakeConnection(1, {A: 5})
    for _ in range(2):
        silent.note(A)
        assert silent.look([connection], {A}) == {A}
    connection.last[A] = 6
    assert silent.look([connection], {A}) == set()


def test_a_symbol_that_was_left_is_not_silent() -> None:
    """Nobody waits for its trades; taken up again it begins anew."""
    silent = SilentSymbols()
    silent.note(A)
    assert silent.look([], {B}) == set()
    assert silent.look([], {A, B}) == set()
