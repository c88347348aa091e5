"""Debian's packages, fetched by this machine's own sources and unpacked in a folder: nothing is installed."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from k2_shared.core.errors import ConfigError

_SOURCES = Path("/etc/apt")
_LIMIT_S = 300


def unpack(packages: Sequence[str], into: Path, release: str | None = None) -> None:
    """Fetch packages and unpack them into a folder; of another release where one is named. Up to minutes.

    Raises:
        ConfigError: apt is not here, or does not give them; says why.
    """
    fetched = into.absolute() / ".fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    for made in ("state/lists/partial", "cache/archives/partial", "sources"):
        (fetched / made).mkdir(parents=True)
    options = _options(fetched, release)
    for order in (["update"], ["download", *packages]):
        _done(["apt-get", "-qq", "-oAcquire::Retries=3", *options, *order], fetched)
    for package in fetched.glob("*.deb"):
        _done(["dpkg", "-x", package.name, "../"], fetched)
    shutil.rmtree(fetched)


def release_here() -> str:
    """The code name of the release that this machine is.

    Raises:
        ConfigError: it does not say.
    """
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    if found is None:
        raise ConfigError("/etc/os-release names no VERSION_CODENAME: this is no release of Debian")
    return found[1]


def _options(folder: Path, release: str | None) -> list[str]:
    """Lists and caches of our own, since those of the machine are root's; and where another release is had."""
    own = {
        "Dir::State": folder / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",  # apt's own user, which root would become, may not write here
    }
    if release:
        own |= {"Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": folder / "sources"}
        for each in (_SOURCES / "sources.list.d/debian.sources", _SOURCES / "sources.list"):
            if each.is_file():
                (folder / "sources" / f"other{each.suffix}").write_text(_of_release(each.read_text(), release))
                break
    return [f"-o{name}={value}" for name, value in own.items()]


def _of_release(sources: str, release: str) -> str:
    """The stanzas of a file of sources for another release, without those of security updates."""
    stanzas = re.split(r"\n\s*\n", sources.replace(release_here(), release))
    return "\n\n".join(each for each in stanzas if "security" not in each) + "\n"


def _done(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"Debian's packages cannot be had here: {command[0]}: {error}") from None
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise ConfigError(f"Debian's packages cannot be had here: '{command[0]} {command[-1]}' failed: {said[-500:]}")
