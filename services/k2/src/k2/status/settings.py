"""What ``k2 status`` can be told, and where it finds a pipeline's agents and servers."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field

from k2_local import StackSettings
from k2_local.targets import FILE, Targets
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseReaderSettings, RunSettings


class StatusSettings(RunSettings, LakeSettings, ClickHouseReaderSettings):
    """The servers of a pipeline, and the file that names its agents."""

    k2_targets: Path | None = Field(None, description="a file of targets, or the folder with its targets.json")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is asked: the servers that the settings name, and the targets."""

    settings: StatusSettings
    targets: Targets

    @classmethod
    def find(cls, given: Path | None) -> Self:
        """By the file that was given, else by K2_TARGETS, else by the environment or the local stack of this folder.

        Raises:
            ConfigError: a file or a setting cannot be used.
        """
        path = given or StatusSettings.load().k2_targets or _local()
        targets = Targets.read(path.expanduser()) if path else Targets()
        known = {name.upper() for name in StatusSettings.model_fields}
        if strange := sorted(targets.settings.keys() - known):
            raise ConfigError(f"{path} sets {', '.join(strange)}: of the servers there are {', '.join(sorted(known))}")
        own = {name.lower(): value for name, value in targets.settings.items()}
        return cls(StatusSettings.load(**own), targets)


def _local() -> Path | None:
    """The file of the stack of K2_STATE_DIR; none where the environment names a broker, or there is no stack."""
    state = StackSettings.load().state
    return state / FILE if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ and (state / FILE).exists() else None
