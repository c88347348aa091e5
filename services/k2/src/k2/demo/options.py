"""The options of a demo."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What a demo was asked to do."""

    recordings: Path | None
    speed: str
    duplicates: float
    invalid: float
    folder: Path
    keep: bool
    calm: bool

    @property
    def simulator_flags(self) -> dict[str, str]:
        """The simulator's flags."""
        flags = {"speed": self.speed, "duplicates": str(self.duplicates), "invalid": str(self.invalid)}
        return flags | ({"recordings": str(self.recordings)} if self.recordings else {})
