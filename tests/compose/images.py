"""The images that the compose file names: ours, and stand-ins for servers' that cannot be pulled."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests import debian
from tests.compose.engine import Docker

from k2_shared.core.errors import Unavailable

ROOT = Path(__file__).parents[2]
STAND_INS = {
    "kafka": "kafka",
    "registry": "registry",
    "postgres": "postgres",
    "seaweedfs": "seaweedfs",
    "clickhouse": "clickhouse",
}
"""The services whose servers have a stand-in, and which part of the embedded stack it is."""
_SYSTEM = "ca-certificates,python3,python3-venv,python-is-python3,wget"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_DEBOOTSTRAP_S = 1200
_MARK = "k2.stand-in"
_FOLDER = ROOT / "tests/compose/standins"


def base(docker: Docker, report: Callable[[str], None]) -> str:
    """The image with Python that ours are built on where those of their Dockerfiles cannot be had, else nothing.

    Raises:
        Unavailable: Debian's packages, of which it is made once, cannot be had.
    """
    if all(is_here(docker, wanted) for wanted in _bases()):
        return ""
    release = debian.release_here()
    name = f"k2-base:{release}"
    if not docker.has(name):
        report(f"making {name}, Debian with its Python (once)")
        with tempfile.TemporaryDirectory(prefix="k2-base-") as folder:
            _import(docker, _system(docker, Path(folder) / "root", release), name)
    return name


def _bases() -> list[str]:
    files = (ROOT / f"deploy/{name}/Dockerfile" for name in ("docker", "spark"))
    return [found[1] for file in files if (found := re.search(r"^ARG BASE=(\S+)", file.read_text(), re.MULTILINE))]


def _system(docker: Docker, root: Path, release: str) -> Path:
    sources = subprocess.run(["apt-cache", "policy"], capture_output=True, text=True, check=True).stdout.split()
    mirror = next(word for word in sources if word.startswith("http") and "security" not in word)
    command = ["debootstrap", "--variant=minbase", f"--include={_SYSTEM}", release, os.fspath(root), mirror]
    told = {**os.environ, **docker.environment}
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=_DEBOOTSTRAP_S)
    if done.returncode:
        raise Unavailable(f"debootstrap {release}: {done.stdout[-500:]}")
    shutil.copy(f"/{_CERTIFICATES}", root / _CERTIFICATES)  # this machine's: whoever stands between it and a registry
    return root


def _import(docker: Docker, root: Path, name: str) -> None:
    archive = root.with_suffix(".tar")
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    trusted = [f"--change=ENV {variable}=/{_CERTIFICATES}" for variable in ("SSL_CERT_FILE", "PIP_CERT")]
    docker.order("import", *trusted, "--change=ENV LANG=C.UTF-8", os.fspath(archive), name)


def stand_in(docker: Docker, services: Mapping[str, Any], base_image: str, report: Callable[[str], None]) -> list[str]:
    """Make an image for each server's name that is not here and cannot be pulled; the services that have one.

    One that was made of other files than they are now is made anew.
    """
    made, mark = [], f"{_MARK}={_files()}"
    for service, part in STAND_INS.items():
        image = services[service]["image"]
        if _is_marked(docker, image, _MARK) and not _is_marked(docker, image, mark):
            docker.order("image", "rm", "--force", image)
        if not is_here(docker, image):
            report(f"making a stand-in for {image}")
            told = {"PART": part, **({"BASE": base_image} if base_image else {})}
            given = [f"--build-arg={name}={value}" for name, value in told.items()]
            named = [f"--label={mark}", "--tag", image]
            docker.order("build", "--file", os.fspath(_FOLDER / "Dockerfile"), *given, *named, os.fspath(ROOT))
        if _is_marked(docker, image, _MARK):
            made.append(service)
    return made


def _files() -> str:
    """A digest of what stand-ins are made of."""
    return hashlib.sha256(
        b"".join(each.read_bytes() for each in sorted(_FOLDER.iterdir()) if each.is_file())
    ).hexdigest()[:12]


def _is_marked(docker: Docker, image: str, mark: str) -> bool:
    return bool(docker.order("image", "ls", "--quiet", f"--filter=label={mark}", image).strip())


def is_here(docker: Docker, image: str) -> bool:
    """Whether an image is here, by now; it is pulled where it can be."""
    if docker.has(image):
        return True
    try:
        docker.order("pull", "--quiet", image)
    except Unavailable:
        return False
    return True
