"""The cold tier of a demo: what its hours come to when they are over."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from k2.demo.reconcile import ColdRows
from k2_shared.cold.hours import Verdict
from k2_shared.cold.layers import Layer
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.lake.retries import at_table

_ATTEMPTS = 20
_LATER = timedelta(hours=2)  # nothing comes any more: the hour of the demo is as good as over


class ColdTier:
    """Offloads a run's hours and compares both tiers; for one thread at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        given = {name.lower(): value for name, value in environment.items()}
        self._settings = ColdSettings.load(**given, k2_prefix="")

    def read(self) -> list[ColdRows]:
        """Both tiers by layer, once every hour is offloaded. Blocks.

        Raises:
            K2Error: ClickHouse, the catalog or the store do not answer, or an hour does not fit.
        """
        now = datetime.now(UTC) + _LATER
        with opened(ColdOffload, self._settings, cold_tables(), lambda _: at_table(_ATTEMPTS)) as offloads:
            return [_of_table(name, each, now) for name, each in offloads.items()]


def _of_table(name: str, offload: ColdOffload, now: datetime) -> ColdRows:
    found = list(offload.every(now))
    hours = [offload.write(each, now) if each.verdict is Verdict.TO_WRITE else each for each in found]
    layer = Layer(name, hours, {})
    return ColdRows(layer.name, layer.warm, layer.cold, layer.is_equal)
