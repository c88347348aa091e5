"""Programs of others, in Java, that tests ask for a second opinion: pinned, downloaded into the stack's cache once."""

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver

from k2_local.artifacts import Artifact

_TIMEOUT_S = 60


def fetch(artifact: Artifact, folder: Path) -> Path:
    """The jar of an artifact, in a folder of the cache."""
    jar = folder / artifact.name
    if not jar.exists():
        group, name, version, packaging = artifact.coordinate.split(":")
        resolver = PythonResolver(progress_callback=lambda _name, _size: nullcontext(lambda _received: None))
        maven = MavenContext(resolver, repo_cache=folder / f"staging-{os.getpid()}", timeout=_TIMEOUT_S)
        found: Path = maven.project(group, name).at_version(version).artifact("", packaging).resolve()
        with found.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
        found.replace(jar)
    return jar
