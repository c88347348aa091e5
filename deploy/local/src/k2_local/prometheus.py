"""Prometheus: scrapes the agents that stand in a file beside it, and judges them by the project's own rules."""

import shutil
from pathlib import Path

from k2_local import scraped
from k2_local.artifacts import Downloads
from k2_local.disk import write_json
from k2_local.parts import Launch, Part, check_answer
from k2_shared.core.errors import ConfigError
from k2_support.ports import HOST

PROGRAM = "prometheus"
RULES = Path(__file__).parents[3] / "prometheus"
_RULE_FILES = ("recording.yaml", "alerts.yaml")
_SCRAPE, _RETENTION = "5s", "2d"


class Prometheus(Part):
    """A server of metrics for one stack; what it has scraped survives its end."""

    name = "prometheus"
    answers_at = "prometheus"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "prometheus.yaml", configuration(self.site.settings.state.parent))
        argv = [
            str(downloads.prometheus),
            f"--config.file={self.folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--storage.tsdb.retention.time={_RETENTION}",
            f"--web.listen-address={HOST}:{self.port}",
        ]
        return Launch(argv, {})

    def check(self) -> None:
        """Ready when it has loaded its rules and what it had stored."""
        check_answer("Prometheus", f"http://{HOST}:{self.port}/-/ready")


def configuration(stack: Path) -> dict[str, object]:
    """The configuration of the Prometheus beside the stack in a folder; JSON is YAML."""
    agents = {"files": [str(stack / scraped.FILE)], "refresh_interval": _SCRAPE}
    return {
        "global": {"scrape_interval": _SCRAPE, "evaluation_interval": _SCRAPE},
        "rule_files": [str(RULES / name) for name in _RULE_FILES],
        "scrape_configs": [{"job_name": "agents", "file_sd_configs": [agents]}],
    }


def program(cache: Path) -> Path:
    """Where Prometheus is on this machine: on PATH, or where 'make prometheus' keeps it.

    Raises:
        ConfigError: it is not here, or the project's rules are not; says what to do.
    """
    kept = cache / PROGRAM
    found = shutil.which(PROGRAM) or (str(kept) if kept.is_file() else None)
    if found is None:
        raise ConfigError(
            f"there is no {PROGRAM} on PATH or at {kept}: run 'make prometheus', which takes it out of Debian's "
            "package without root, or install Prometheus 2.42 or later; 'k2 stack up' without --metrics needs none"
        )
    if missing := [name for name in _RULE_FILES if not (RULES / name).is_file()]:
        raise ConfigError(f"{RULES} lacks {', '.join(missing)}: --metrics works in a checkout of the project only")
    return Path(found)
