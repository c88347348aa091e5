"""One venue as it is simulated: its replays, its plan and its player."""

from collections.abc import Sequence
from operator import attrgetter

from exchange_sim.delivery import Delivery
from exchange_sim.faults import Rates
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Dialect, Recording, Venue
from exchange_sim.pacing import offsets
from exchange_sim.plan import Planned, plan
from exchange_sim.playback import Player
from exchange_sim.recordings import DIALECTS
from exchange_sim.settings import SimSettings


class SimulatedVenue:
    """Everything of one venue that does not touch a socket."""

    def __init__(self, venue: Venue, recordings: Sequence[Recording], settings: SimSettings) -> None:
        self.venue = venue
        self._dialect: Dialect = DIALECTS[venue]
        self._rates: Rates = settings.rates
        self._seed = settings.sim_seed
        self._first_lap: list[Planned] = []
        self._live = settings.sim_as_live
        # what is live happens when the exchange says so; a recording is replayed as it arrived
        clock = attrgetter("time_ns" if self._live else "pace_ns")
        fit_s = settings.sim_fit_s if settings.sim_speed == "fit" else None
        # the speed is no part of the plan, so that frames keep their order at every speed
        self._speed = 1.0 if settings.sim_speed == "fit" else settings.sim_speed
        self._scripts = [(each, offsets(each, fit_s, clock)) for each in recordings]
        self.replays = [self._replay(recording, due) for recording, due in self._scripts]
        self.rest_replays = self._whole() if settings.sim_rest_all else self.replays

    def _replay(self, recording: Recording, due: Sequence[int]) -> MarketReplay:
        return MarketReplay(recording, self._dialect, [int(at / self._speed) for at in due] if self._live else None)

    def _whole(self) -> list[MarketReplay]:
        """Replays played to their end, for REST that serves the whole recording from the start."""
        replays = [self._replay(recording, due) for recording, due in self._scripts]
        for replay in replays:
            replay.expose(replay.lap_length)
        return replays

    def plan_lap(self, lap: int) -> list[Planned]:
        """The plan of one lap; each lap has faults of its own, and without faults all are alike."""
        if lap and self._rates == Rates():
            return self._first_lap
        seed = f"{self._seed}/{lap}" if lap else str(self._seed)
        planned = plan(self._scripts, self._dialect, self._rates, seed)
        self._first_lap = self._first_lap or planned
        return planned

    def player(self, delivery: Delivery) -> Player:
        """A player of this venue."""
        replays = {replay.instrument.symbol: replay for replay in self.replays}
        return Player(self.venue, replays, self.plan_lap, delivery, speed=self._speed, live=self._live)
