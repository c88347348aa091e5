"""A real Prometheus with the project's own rules over agents of this machine, and which alerts have fired."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml
from tests import debian

from k2_local import StackSettings
from k2_local.disk import explained, locked
from k2_shared.core.errors import ConfigError
from k2_support.children import wait_until
from k2_support.ports import HOST, free_port

RULES = Path(__file__).parents[2] / "deploy/prometheus"
PACKAGE = "prometheus"
_ANSWER_S, _UP_S, _END_S = 10, 60.0, 20.0


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes the jobs that it was given."""

    url: str
    jobs: frozenset[str]

    def fired(self, seconds: float) -> list[str]:
        """The alerts that fired in so many seconds, but those of jobs that are not here and cannot be watched."""
        query = f'count_over_time(ALERTS{{alertstate="firing"}}[{max(1, round(seconds))}s])'
        found = [each["metric"] for each in self._ask(query)]
        return sorted({each["alertname"] for each in found if each.get("job", "") in {"", *self.jobs}})

    def up(self) -> set[str]:
        """The jobs that answered its last scrape."""
        return {each["metric"]["job"] for each in self._ask("up == 1")}

    def _ask(self, query: str) -> list[Any]:
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=_ANSWER_S)
        answer.raise_for_status()
        found: list[Any] = answer.json()["data"]["result"]
        return found


@contextmanager
def watching(ports: Mapping[str, int], folder: Path) -> Iterator[Prometheus]:
    """Scrape agents by their web ports for the length of a block, by ``prometheus.yaml`` with other targets.

    Raises:
        ConfigError: there is no Prometheus, and none can be fetched.
        Unavailable: it does not come up.
    """
    program, port = _program(), free_port()
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(ports)))
    options = {"config.file": folder / "prometheus.yaml", "storage.tsdb.path": folder / "prometheus"}
    command = [
        program,
        *(f"--{name}={value}" for name, value in options.items()),
        f"--web.listen-address={HOST}:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        found = Prometheus(f"http://{HOST}:{port}", frozenset(ports))
        wait_until(lambda: _is_ready(found.url), _UP_S, f"Prometheus, whose log is {folder / 'prometheus.log'}")
        yield found
    finally:
        server.terminate()
        server.wait(_END_S)


def configuration(ports: Mapping[str, int]) -> dict[str, Any]:
    """The project's own configuration for the jobs that are here, each at its port."""
    found: dict[str, Any] = yaml.safe_load((RULES / "prometheus.yaml").read_text())
    found["rule_files"] = [os.fspath(RULES / name) for name in found["rule_files"]]
    found["scrape_configs"] = [
        {**each, "static_configs": [{"targets": [f"{HOST}:{ports[each['job_name']]}"]}]}
        for each in found["scrape_configs"]
        if each["job_name"] in ports
    ]
    return {name: found[name] for name in ("global", "rule_files", "scrape_configs")}


def _program() -> str:
    """Prometheus from PATH, or out of Debian's package, kept per user."""
    kept = StackSettings.load().cache / PACKAGE
    program = kept / "usr/bin/prometheus"
    if found := shutil.which("prometheus"):
        return found
    with explained(kept.parent, "K2_CACHE_DIR"), locked(kept.parent / f"{PACKAGE}.lock", lambda: None):
        if not program.is_file():
            kept.mkdir(exist_ok=True)
            debian.unpack([PACKAGE], kept)
    if not program.is_file():
        raise ConfigError(f"Debian's package {PACKAGE} has no {program.name}: put one on PATH")
    return os.fspath(program)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=_ANSWER_S).ok
    except requests.ConnectionError:
        return False
