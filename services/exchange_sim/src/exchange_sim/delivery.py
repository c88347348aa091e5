"""Delivers the trades of a replay to the connections that are subscribed, less what faults withhold."""

import asyncio
from collections.abc import Sequence

from exchange_sim.conditions import Conditions
from exchange_sim.faults import Kind
from exchange_sim.market_replay import MarketReplay
from exchange_sim.subscriptions import Frame, Listener, Subscriptions

_POLL_S = 0.01


class Delivery:
    """Delivers one venue's frames to its connections; ``unattended``: trades happen without listeners too."""

    def __init__(self, subscriptions: Subscriptions, conditions: Conditions, *, unattended: bool) -> None:
        self._subscriptions = subscriptions
        self._venue = conditions.venue
        self._conditions = conditions
        self._unattended = unattended
        self.dropping: dict[tuple[str, int], str] = {}  # which fault takes a trade away, by symbol and number

    @property
    def open(self) -> bool:
        """Whether trades can happen now: every symbol has a listener (or unattended), and no maintenance is on."""
        attended = self._unattended or self._subscriptions.present(self._venue).is_set()
        return attended and (self._conditions.calm or self._conditions.active("maintenance") is None)

    async def started(self) -> None:
        """Wait until playback may begin."""
        if not self._unattended:
            await self._subscriptions.started.wait()

    async def opened(self) -> None:
        """Wait until trades can happen."""
        while not self.open:
            await asyncio.sleep(_POLL_S)
            if not self._unattended:
                await self._subscriptions.present(self._venue).wait()

    async def carry(
        self, replay: MarketReplay, kind: Kind, numbers: range, broken: str | None = None, made: Frame | None = None
    ) -> bool:
        """Send trades to all listeners; blocks while one's buffer is full.

        ``made`` is their frame where it was built before. False when nobody took it: playback sends it again.
        """
        symbol = replay.instrument.symbol
        listeners = self._subscriptions.listeners(self._venue, symbol)
        if not listeners:
            return self._unattended
        if not self._conditions.calm and self._conditions.take("silent", symbol):
            return True
        heard = self._heard(replay, kind, numbers, replay.unheard)
        if not heard:
            return True
        frame = made if made is not None and heard is numbers else self.frame(replay, kind, heard, broken)
        taken = [await self._to(listener, replay, frame, heard) for listener in listeners]
        return any(taken) or self._unattended

    async def _to(self, listener: Listener, replay: MarketReplay, frame: Frame, numbers: Sequence[int]) -> bool:
        missing = listener.missing.get(frame.symbol) if listener.missing else None
        heard = self._heard(replay, frame.kind, numbers, missing)
        if heard is numbers:
            return await listener.deliver(frame)
        return not heard or await listener.deliver(self.frame(replay, frame.kind, heard, frame.broken))

    def _heard(
        self, replay: MarketReplay, kind: Kind, numbers: Sequence[int], without: set[int] | None
    ) -> Sequence[int]:
        """The trades of a frame without those withheld; withheld originals are counted."""
        if not without or without.isdisjoint(numbers):
            return numbers
        lost = [number for number in numbers if number in without]
        for number in lost if kind == "original" else []:
            self._conditions.struck(
                self.dropping.pop((replay.instrument.symbol, number), "drop_ids"), replay.instrument.symbol
            )
        return [number for number in numbers if number not in without]

    def frame(self, replay: MarketReplay, kind: Kind, numbers: Sequence[int], broken: str | None = None) -> Frame:
        """The frame of these trades."""
        trades, payload = replay.payload(numbers, broken)
        return Frame(replay.instrument.symbol, kind, trades, payload, broken)
