"""Files of targets: where a pipeline's agents answer, and the settings by which its servers are reached."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from k2_local.disk import write_json
from k2_shared.core.errors import ConfigError

FILE = "targets.json"


class Agent(BaseModel):
    """One agent's process: its own name, the URL of its web port, and, where known, the command that starts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    url: str = Field(pattern=r"^https?://[^/]+")
    start: str = ""


class Targets(BaseModel):
    """A pipeline: its agents, the variables of its servers, which win over the environment's, and what starts these.

    ``stack`` is the state folder of the local stack, where the servers are of one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    agents: tuple[Agent, ...] = ()
    settings: Mapping[str, str] = {}
    start: str = ""
    stack: Path | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file, or ``targets.json`` of a folder.

        Raises:
            ConfigError: there is none, or it does not say what such a file says.
        """
        file = path / FILE if path.is_dir() else path
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise ConfigError(f"there is no file of targets at {file} ({error.strerror})") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ConfigError(
                f"{file} is no file of targets ({where}: {first['msg']}): it is like "
                '{"agents": [{"name": "silver", "url": "http://127.0.0.1:6063"}], "settings": {}}'
            ) from None

    def write(self, folder: Path) -> None:
        """Write ``targets.json`` of a folder; for its owner alone, since the settings hold keys."""
        write_json(folder / FILE, self.model_dump(mode="json"), 0o600)
