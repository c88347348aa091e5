"""A warm tier whose gold is as gold is, and whose candles are compared."""

from tests.candles.comparison import Comparison
from tests.candles.history import History
from tests.warm.world import World

_SIZES = ("60", "400", "5000")
_OLDER = ("0", "1", "50", "50000")


class CandleWorld(World):
    """The world of the warm suite with candles; each start of a sink has batches and a memory of another size."""

    content = History

    def vary(self) -> None:
        """From its next start on, a sink collects other batches and remembers more or fewer candles."""
        for sink in self.sinks:
            varied = {"WARM_MAX_ROWS": self.rng.choice(_SIZES), "WARM_OLDER_CANDLES": self.rng.choice(_OLDER)}
            sink.environment = {**sink.environment, **varied}

    async def compared(self) -> list[str]:
        said = await super().compared()
        self.vary()
        return said + await Comparison(self.tables, self.oracle).said()
