"""What the containers of a compose project take, as Docker counts it on whatever cgroups its host has (v1 or v2).

Memory is what counts against ``mem_limit``: the cgroup's usage without the pages of files that the kernel may drop
(``inactive_file``). CPU is that of about a second, Docker's own interval.
"""

import re
import subprocess
from collections.abc import Sequence

from k2.resources.facts import Measured, Usage, together
from k2.resources.processes import MB
from k2_shared.core.errors import ConfigError, Unavailable

INTERVAL_S = 1.0
_LIMIT_S = 60.0
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_SIZE = re.compile(r"([0-9.]+)([KMGT]?i?)B")
_UNITS = {"": 1, "Ki": 1_024, "Mi": MB, "Gi": 1_024 * MB, "Ti": MB * MB}


def measured(project: str) -> list[Measured]:
    """What each running service of a project takes, all its containers together. Blocks for some seconds.

    Raises:
        ConfigError: there is no docker here.
        Unavailable: Docker does not answer, or nothing of the project runs.
    """
    services = _services(project)
    if not services:
        raise Unavailable(f"no container of the compose project {project!r} runs: 'docker compose up -d' starts them")
    lines = _docker("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}\t{{.CPUPerc}}\t{{.MemUsage}}", *services)
    found = {container: usage for container, *said in lines if (usage := _usage(*said))}
    return [
        _of_service(name, [found[each] for each in services if services[each] == name and each in found])
        for name in sorted(set(services.values()))
    ]


def _services(project: str) -> dict[str, str]:
    """The service of each container that runs, by the container's id."""
    form = f'{{{{.ID}}}}\t{{{{.Label "{_SERVICE}"}}}}'
    pairs = _docker("ps", "--no-trunc", "--filter", f"label={_PROJECT}={project}", "--format", form)
    return {container: service for container, service, *_ in pairs}


def _of_service(name: str, usages: Sequence[Usage]) -> Measured:
    return Measured(name, together(usages) if usages else None, "its container ended while it was measured")


def _usage(cpu: str, memory: str) -> Usage | None:
    """What a line of ``docker stats`` says, like ``12.5%`` and ``80.1MiB / 512MiB``; None of a container that ended."""
    size = _SIZE.match(memory)
    if size is None:
        return None
    return Usage(float(cpu.removesuffix("%")) / 100, float(size[1]) * _UNITS[size[2]] / MB)


def _docker(*words: str) -> list[list[str]]:
    """The lines that docker prints, each split at its tabs."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except FileNotFoundError:
        raise ConfigError(
            "docker is not installed here: measure where the containers run, or processes by --pid"
        ) from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"docker {words[0]} did not answer in {_LIMIT_S:.0f} s") from None
    if done.returncode:
        raise Unavailable(f"docker {words[0]} failed: {' '.join(done.stderr.split())[:300]}")
    return [line.split("\t") for line in done.stdout.splitlines()]
