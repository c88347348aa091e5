"""Settings: flags, or environment variables of the same names (``--port`` is ``SIM_PORT``)."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NoReturn, Self

from pydantic import AfterValidator, Field, model_validator

from exchange_sim import listing
from exchange_sim.faults import Rates
from exchange_sim.model import VENUES, Venue
from exchange_sim.recordings import PACKAGED
from k2_shared.core.errors import ConfigError
from k2_shared.core.exits import print_whole
from k2_shared.core.program import ASKS, answered
from k2_shared.core.setting_fields import SettingField, setting_fields
from k2_shared.core.settings import Settings

SERVICE = "exchange_sim"
_PREFIX = "sim_"
_ANY = "|".join(VENUES).lower()


def _listed(said: str) -> str:
    listing.listings(said)
    return said


class SimSettings(Settings):
    """What is replayed, how fast and with which faults; each is a flag too, which wins."""

    pages: ClassVar[Mapping[str, str]] = {
        "/sim/status": "who is subscribed, what was played, which faults struck",
        "/sim/assigned": "every trade id that was assigned, heard or not",
        "/sim/faults": "POST: inject a fault now",
        "/healthz": "200 while it is alive",
    }

    sim_host: str = Field("127.0.0.1", description="address to listen on")
    sim_port: int = Field(ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    sim_recordings: Path = Field(PACKAGED, description="folder of recordings")
    sim_speed: Annotated[float, Field(gt=0, le=1_000_000_000)] | Literal["fit"] = Field(
        1.0, description="times the recorded pace, or a pace that fits each file into --fit-s"
    )
    sim_fit_s: float = Field(20.0, gt=0, le=86_400, description="seconds that a file takes with --speed fit")
    sim_expect: str = Field(
        ",".join(VENUES).lower(),
        pattern=rf"(?i)^({_ANY})(,({_ANY}))*$",
        description="venues that take part",
    )
    sim_seed: int = Field(
        0, ge=0, le=2**63 - 1, description="the same seed, recordings and rates give the same frames in the same order"
    )
    sim_duplicates: float = Field(0.0, ge=0, le=1, description="rate of frames sent a second time, later")
    sim_delay: float = Field(0.0, ge=0, le=1, description="rate of frames sent some frames later")
    sim_reorder: float = Field(0.0, ge=0, le=1, description="rate of frames swapped with the next one")
    sim_invalid: float = Field(0.0, ge=0, le=1, description="rate of extra copies with one thing broken")
    sim_log: Path | None = Field(None, description="file for the oracle log; an earlier one is replaced")
    sim_as_live: bool = Field(False, description="times become now, ids go on, playback loops for ever")
    sim_rest_all: bool = Field(False, description="REST serves the whole recording, not only what was played")

    sim_unattended: bool = Field(
        False,
        description="playback begins at once and goes on whoever listens; a socket is dropped when its queue of 10000 "
        "frames is full",
    )
    sim_strict_rest: bool = Field(False, description="Kraken's REST takes 5 calls at once, then one a second")
    sim_storm: float = Field(
        0.0, ge=0, le=6_000, description="random injected faults a minute, by the seed and the catalogue's weights"
    )
    sim_faults_script: Path | None = Field(
        None, description="file of faults: JSON lines as posted, with at_s, seconds after playback began"
    )
    sim_listed: Annotated[str, AfterValidator(_listed)] = Field(
        "", description=f"pairs listed without trades, comma-separated: {listing.FORM}"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sim_as_live and self.sim_rest_all:
            raise ValueError("SIM_AS_LIVE and SIM_REST_ALL exclude each other: what is live has no future to serve")
        if self.sim_rest_all and (self.sim_storm or self.sim_faults_script):
            raise ValueError(
                "SIM_REST_ALL excludes SIM_STORM and SIM_FAULTS_SCRIPT: faults need REST that tells the past"
            )
        return self

    @property
    def expected(self) -> tuple[Venue, ...]:
        """The venues that take part."""
        return tuple(venue for venue in VENUES if venue.lower() in self.sim_expect.lower().split(","))

    @property
    def rates(self) -> Rates:
        """The faults' rates."""
        return Rates(self.sim_duplicates, self.sim_delay, self.sim_reorder, self.sim_invalid)


class _Parser(argparse.ArgumentParser):
    """Says in one line what cannot be."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: --help says what there is")


def from_command_line(arguments: Sequence[str]) -> SimSettings:
    """Read the flags, and the environment for what they leave open; ends the process where they ask for no playback.

    Raises:
        ConfigError: a value is missing or wrong, or there is no such flag.
    """
    parser = _Parser(prog=SERVICE, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for field in setting_fields(SimSettings):
        action = argparse.BooleanOptionalAction if field.kind == "boolean" else "store"
        parser.add_argument(_flag(field), dest=field.name, action=action)
    given = vars(parser.parse_args([each for each in arguments if each not in ASKS]))
    if asked := [each for each in arguments if each in ASKS]:
        print_whole(answered(SERVICE, SimSettings, asked, given, _spelt))
        sys.exit(0)
    return SimSettings.load(**given)


def _flag(field: SettingField) -> str:
    return f"--{field.name.removeprefix(_PREFIX).replace('_', '-')}"


def _spelt(field: SettingField) -> str:
    return f"{_flag(field)}, {field.variable}"
