"""A Docker engine for one suite: the one that answers here, or Debian's, unpacked and run for as long as the suite."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import debian

from k2_shared.core.errors import K2Error, Unavailable
from k2_support.children import wait_until

_PACKAGES = ("docker.io", "containerd", "runc", "iptables", "libip4tc2", "libip6tc2", "libxtables12", "tini")
_LIBRARIES = ("libnftnl11", "libnetfilter-conntrack3", "libnfnetlink0", "debootstrap")
_COMPOSE, _COMPOSE_RELEASE = ("docker-compose", "docker-buildx"), "trixie"  # bookworm's is version 1
_UP_S, _POLL_S, _DOWN_S, _ORDER_S = 60.0, 0.5, 60.0, 1800.0


class NoEngineError(Exception):
    """No container can be run here; the text says why."""


@dataclass(frozen=True)
class Docker:
    """An engine that answers, and what its client needs to be told."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def order(self, *words: str, timeout: float = _ORDER_S) -> str:
        """Run the client to its end; what it printed.

        Raises:
            Unavailable: it failed, or took too long; quotes its last words.
        """
        command, told = ["docker", *words], {**os.environ, **self.environment}
        try:
            done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"'{' '.join(command[:6])} …' took more than {timeout:.0f} s") from None
        if done.returncode:
            raise Unavailable(f"'{' '.join(command[:6])} …': {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def has(self, image: str) -> bool:
        """Whether an image of this name is there."""
        return bool(self.order("image", "ls", "--quiet", image).strip())


@contextmanager
def engine(state: Path, report: Callable[[str], None]) -> Iterator[Docker]:
    """An engine with compose v2, for the length of the block; its images stay in ``state``.

    Raises:
        NoEngineError: none answers, and none can be started here; says why.
    """
    lacking = _lacking()
    if not lacking:
        yield Docker()
        return
    if os.geteuid() != 0:
        raise NoEngineError(f"{lacking}: that takes root")
    try:
        tools = _tools(state / "tools", report)
    except K2Error as error:
        raise NoEngineError(f"{lacking}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="k2-docker-") as run:
        yield from _running(state, Path(run), tools)


def _lacking() -> str:
    """Why the engine that a client here talks to cannot be used, or nothing."""
    try:
        Docker().order("info", timeout=_UP_S)
        Docker().order("compose", "version", timeout=_UP_S)
    except (Unavailable, FileNotFoundError) as error:
        return f"no Docker engine with compose answers ({error}), and Debian's cannot be started"
    return ""


def _tools(folder: Path, report: Callable[[str], None]) -> Path:
    """The engine's programs, unpacked; once."""
    if not (folder / "ready").exists():
        report("fetching Debian's Docker (once)")
        folder.mkdir(parents=True, exist_ok=True)
        debian.unpack([*_PACKAGES, *_LIBRARIES], folder)
        debian.unpack(_COMPOSE, folder, _COMPOSE_RELEASE)
        for name in ("iptables", "ip6tables"):
            (folder / "usr/sbin" / name).symlink_to(f"{name}-legacy")
        plugins = folder / "config/cli-plugins"
        plugins.mkdir(parents=True)
        for name in _COMPOSE:
            (plugins / name).symlink_to(folder.absolute() / "usr/libexec/docker/cli-plugins" / name)
        (folder / "ready").touch()
    return folder.absolute()


def _running(state: Path, run: Path, tools: Path) -> Iterator[Docker]:
    libraries = tools / "usr/lib/x86_64-linux-gnu"
    host = f"unix://{run / 'docker.sock'}"
    environment = {
        "PATH": f"{tools / 'usr/sbin'}:{tools / 'usr/bin'}:{os.environ['PATH']}",
        "XTABLES_LIBDIR": os.fspath(libraries / "xtables"),
        "DOCKER_HOST": host,
        "DOCKER_CONFIG": os.fspath(tools / "config"),
        "DEBOOTSTRAP_DIR": os.fspath(tools / "usr/share/debootstrap"),
    }
    places = {"data-root": state.absolute() / "images", "exec-root": run / "exec", "pidfile": run / "docker.pid"}
    command = ["dockerd", "--host", host, "--group", "root", *(f"--{name}={path}" for name, path in places.items())]
    with (state / "dockerd.log").open("w") as log:
        libraries_too = {"LD_LIBRARY_PATH": os.fspath(libraries)}
        daemon = subprocess.Popen(command, env={**os.environ, **environment, **libraries_too}, stdout=log, stderr=log)
    try:
        yield _answering(Docker(environment), daemon, state / "dockerd.log")
    finally:
        daemon.terminate()
        daemon.wait(_DOWN_S)
        shutil.rmtree(run / "exec", ignore_errors=True)


def _answering(docker: Docker, daemon: "subprocess.Popen[bytes]", log: Path) -> Docker:
    try:
        wait_until(lambda: daemon.poll() is not None or _answers(docker), _UP_S, "the engine", _POLL_S)
    except Unavailable as error:
        raise NoEngineError(f"Debian's dockerd does not come up: {error}") from None
    if daemon.poll() is not None:
        raise NoEngineError(f"Debian's dockerd has ended: {log.read_text()[-500:]}")
    return docker


def _answers(docker: Docker) -> bool:
    try:
        docker.order("info", timeout=_UP_S)
    except Unavailable:
        return False
    return True
