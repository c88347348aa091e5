"""One venue as it is simulated: its tapes, its plan and its player."""

from collections.abc import Sequence
from operator import attrgetter

from exchange_sim.delivery import Delivery
from exchange_sim.faults import Rates
from exchange_sim.model import Dialect, Recording, Venue
from exchange_sim.plan import Planned, plan
from exchange_sim.playback import Player
from exchange_sim.recordings import DIALECTS
from exchange_sim.settings import SimSettings
from exchange_sim.tape import Tape
from exchange_sim.timeline import offsets


class Stage:
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
        self.tapes = [self._tape(recording, due) for recording, due in self._scripts]
        self.rest_tapes = self._whole() if settings.sim_rest_all else self.tapes

    def _tape(self, recording: Recording, due: Sequence[int]) -> Tape:
        return Tape(recording, self._dialect, [int(at / self._speed) for at in due] if self._live else None)

    def _whole(self) -> list[Tape]:
        """Tapes of their own, for REST that knows the future."""
        tapes = [self._tape(recording, due) for recording, due in self._scripts]
        for tape in tapes:
            tape.expose(tape.lap_length)
        return tapes

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
        tapes = {tape.instrument.symbol: tape for tape in self.tapes}
        return Player(self.venue, tapes, self.plan_lap, delivery, speed=self._speed, live=self._live)
