"""Settings: flags, or environment variables of the same names (``--port`` is ``SIM_PORT``)."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.fields import FieldInfo

from exchange_sim import listing
from exchange_sim.faults import Rates
from exchange_sim.model import VENUES, Venue
from exchange_sim.recordings import PACKAGED
from k2_shared.core.settings import Settings, print_config

_PREFIX = "sim_"
_ANY = "|".join(VENUES).lower()


def _listed(said: str) -> str:
    listing.listings(said)
    return said


class SimSettings(Settings):
    """What is replayed, how fast and with which faults."""

    sim_host: str = Field("127.0.0.1", description="address to listen on")
    sim_port: int = Field(ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    sim_recordings: Path = Field(PACKAGED, description="folder of recordings; default: the packaged ones")
    sim_speed: float | Literal["fit"] = Field(1.0, description="times the recorded pace above 0, or 'fit'")
    sim_fit_s: float = Field(20.0, gt=0, description="seconds that a file takes with --speed fit")
    sim_expect: str = Field(
        ",".join(VENUES).lower(),
        pattern=rf"(?i)^({_ANY})(,({_ANY}))*$",
        description="venues that take part",
    )
    sim_seed: int = Field(0, description="seed of the faults")
    sim_duplicates: float = Field(0.0, ge=0, le=1, description="rate of frames sent a second time, later")
    sim_delay: float = Field(0.0, ge=0, le=1, description="rate of frames sent some frames later")
    sim_reorder: float = Field(0.0, ge=0, le=1, description="rate of frames swapped with the next one")
    sim_invalid: float = Field(0.0, ge=0, le=1, description="rate of extra copies with one thing broken")
    sim_log: Path | None = Field(None, description="file for the oracle log; an earlier one is replaced")
    sim_as_live: bool = Field(False, description="times become now, ids go on, playback never ends")
    sim_rest_all: bool = Field(False, description="REST serves the whole recording, not only what was played")

    sim_unattended: bool = Field(False, description="playback goes on whoever listens; a slow socket is dropped")
    sim_strict_rest: bool = Field(False, description="Kraken's REST takes about one call a second")
    sim_storm: float = Field(0.0, ge=0, le=6_000, description="random injected faults a minute; 0 for none")
    sim_faults_script: Path | None = Field(None, description="file of faults to inject, JSON lines with at_s")
    sim_listed: Annotated[str, AfterValidator(_listed)] = Field(
        "", description=f"pairs listed without trades, comma-separated: {listing.FORM}"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sim_speed != "fit" and not self.sim_speed > 0:
            raise ValueError(f"SIM_SPEED={self.sim_speed} is not allowed: it is above 0, or 'fit'")
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


def from_command_line(arguments: Sequence[str]) -> SimSettings:
    """Read the flags, and the environment for what they leave open.

    Raises:
        ConfigError: a value is missing or wrong.
    """
    parser = argparse.ArgumentParser(prog="exchange_sim", description=__doc__, argument_default=argparse.SUPPRESS)
    for name, field in SimSettings.model_fields.items():
        _add_flag(parser, name, field)
    parser.add_argument("--print-config", action="store_true", default=False, help="show the settings and exit")
    given = vars(parser.parse_args(arguments))
    show = given.pop("print_config")
    settings = SimSettings.load(**given)
    if show:
        parser.exit(message=f"{print_config(settings)}\n")
    return settings


def _add_flag(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    flag = f"--{name.removeprefix(_PREFIX).replace('_', '-')}"
    if field.annotation is bool:
        parser.add_argument(flag, dest=name, help=field.description, action=argparse.BooleanOptionalAction)
    else:
        parser.add_argument(flag, dest=name, help=field.description)
