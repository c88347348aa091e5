"""How a Spark cluster is: its processes, and what its master says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from k2_local.spark_cluster import SparkCluster
from k2_local.spark_facts import ClusterFacts
from k2_local.status import PartStatus, Whole, whole
from k2_shared.core.errors import Unavailable


@dataclass(frozen=True)
class ClusterStatus:
    """One cluster now; without ``facts`` its master does not answer."""

    parts: Sequence[PartStatus]
    facts: ClusterFacts | None
    web_ui: str = ""

    @classmethod
    def of(cls, cluster: SparkCluster) -> Self:
        """Ask every part; takes a few seconds at most and changes nothing."""
        parts = cluster.status()
        try:
            return cls(parts, cluster.facts(), cluster.web_url)
        except Unavailable:
            return cls(parts, None)

    @property
    def overall(self) -> Whole:
        """Up where the processes run and the master counts on both workers."""
        return whole(self.parts)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        none: dict[str, Any] = {"master": None, "state": None, "workers": [], "applications": []}
        said = asdict(self.facts) if self.facts else none
        parts = [asdict(part) for part in self.parts]
        return {"cluster": self.overall, "parts": parts, "web_ui": self.web_ui or None, **said}
