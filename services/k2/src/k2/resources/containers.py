"""What the containers of a compose project take, as Docker counts it on whatever cgroups its host has (v1 or v2).

Memory is what counts against ``mem_limit``: the cgroup's usage without the pages of files that the kernel may drop
(``inactive_file``). CPU is that of about a second, Docker's own interval.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from k2.resources.facts import Measured, Usage, together
from k2.resources.processes import MB
from k2_shared.core.errors import ConfigError, Unavailable

INTERVAL_S = 1.0
_LIMIT_S = 60.0
_PROJECT, _SERVICE, _BY_HAND = (f"com.docker.compose.{label}" for label in ("project", "service", "oneoff"))
_LISTED = f'{{{{.ID}}}}\t{{{{.State}}}}\t{{{{.Label "{_SERVICE}"}}}}\t{{{{.Label "{_BY_HAND}"}}}}'
_ENDED = "{{.Id}}\t{{.State.Status}}\t{{.State.ExitCode}}\t{{.HostConfig.RestartPolicy.Name}}"
_SIZE = re.compile(r"([0-9.]+)([KMGT]?i?)B")
_UNITS = {"": 1, "Ki": 1_024, "Mi": MB, "Gi": 1_024 * MB, "Ti": MB * MB}


@dataclass(frozen=True, slots=True)
class _Container:
    """One of a service; ``fault`` says how it does not run, and is empty where it does."""

    id: str
    service: str
    fault: str = ""


def measured(project: str) -> list[Measured]:
    """What each service of a project takes, all its containers together. Blocks for some seconds.

    A service one of whose containers does not run has no usage, and a fault; one that had one thing to do and has
    done it is left out.

    Raises:
        ConfigError: there is no docker here.
        Unavailable: Docker does not answer, or nothing of the project runs.
    """
    containers = _containers(project)
    running = [each.id for each in containers if not each.fault]
    if not running:
        raise Unavailable(f"no container of the compose project {project!r} runs: 'docker compose up -d' starts them")
    lines = _docker("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}\t{{.CPUPerc}}\t{{.MemUsage}}", *running)
    found = {container: usage for container, *said in lines if (usage := _usage(*said))}
    return [
        _of_service(name, [each for each in containers if each.service == name], found)
        for name in sorted({each.service for each in containers})
    ]


def _containers(project: str) -> list[_Container]:
    """Every one that runs, and every one that should; what was run by hand and has ended is nobody's service."""
    lines = _docker("ps", "--all", "--no-trunc", "--filter", f"label={_PROJECT}={project}", "--format", _LISTED)
    running = [_Container(container, service) for container, state, service, _ in lines if state == "running"]
    rest = {found: service for found, state, service, by_hand in lines if state != "running" and by_hand != "True"}
    return [*running, *(_faulty(rest) if rest else ())]


def _faulty(services: Mapping[str, str]) -> Iterator[_Container]:
    """Those of containers which do not run that should: all but one that is never restarted and has ended with 0."""
    for container, state, code, restarts in _docker("inspect", "--type", "container", "--format", _ENDED, *services):
        if (state, code) != ("exited", "0") or restarts not in {"", "no"}:
            service = services[container]
            looked = f"'docker compose logs {service}' says why, 'docker compose up -d {service}' starts it"
            yield _Container(container, service, f"its container is {state}, exit code {code}: {looked}")


def _of_service(name: str, containers: Sequence[_Container], found: Mapping[str, Usage]) -> Measured:
    usages = [found[each.id] for each in containers if each.id in found]
    faults = [each.fault for each in containers if each.fault]
    if faults or not usages:
        return Measured(name, None, "; ".join(faults) or "its container ended while it was measured")
    return Measured(name, together(usages))


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
