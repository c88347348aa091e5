"""The pinned downloads: fetched once from Maven Central, checked, and shared by every stack."""

import hashlib
import os
import tarfile
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from shutil import rmtree
from typing import Any, Self

import requests
import stamina
from jgo.maven import MavenContext, PythonResolver

from k2_local.disk import explained, locked
from k2_local.progress import Advance, Report, step, transfer
from k2_shared.core.errors import ConfigError

_AT_ONCE = 4
_TIMEOUT_S = 60
_STAGING = ".staging-"
_TOLD = {"kafka": "Kafka", "rest_catalog": "the Iceberg catalog", "spark": "Iceberg for Spark"}  # what runs from jars


@dataclass(frozen=True)
class Artifact:
    """One file of Maven Central, pinned."""

    sha256: str
    size: int  # bytes
    coordinate: str  # group:artifact:version:packaging[:classifier]

    @property
    def name(self) -> str:
        """Its file name in the cache."""
        _, artifact, version, packaging, *classifier = self.coordinate.split(":")
        return f"{'-'.join([artifact, version, *classifier])}.{packaging}"


def pinned() -> dict[str, list[Artifact]]:
    """Every artifact of ``artifacts.lock``, by the name of the part that it is for."""
    found: dict[str, list[Artifact]] = {}
    for line in files("k2_local").joinpath("artifacts.lock").read_text().splitlines():
        if line.startswith("["):
            found[line.strip("[]")] = part = list[Artifact]()
        elif line and not line.startswith("#"):
            sha256, size, coordinate = line.split()
            part.append(Artifact(sha256, int(size), coordinate))
    return found


@dataclass(frozen=True)
class Downloads:
    """What parts run from, on this machine: of the stack's what Maven Central has, of Spark's its own folder."""

    kafka_classpath: list[Path] = field(default_factory=list)
    registry_home: Path = Path()
    rest_catalog_classpath: list[Path] = field(default_factory=list)
    spark_home: Path = Path()
    prometheus: Path = Path()


class Cache:
    """The downloads of one cache folder; several processes may use it at once."""

    def __init__(self, folder: Path, report: Report, artifacts: Mapping[str, Sequence[Artifact]] | None = None) -> None:
        self._folder, self._report = folder, report
        self._artifacts = pinned() if artifacts is None else artifacts
        (self._archive,) = self._artifacts["registry"]

    def fetch(self, parts: Collection[str] = ("kafka", "registry")) -> Downloads:
        """Download what some parts lack, which takes seconds to minutes; what is whole and checked is kept.

        Raises:
            ConfigError: the network, the disk, the folder or a checksum is in the way.
        """
        jars = {part: self._artifacts[part] for part in _TOLD if part in parts}
        with explained(self._folder, "K2_CACHE_DIR"):
            if any(map(self._missing, jars.values())) or not self._home.is_dir():
                with self._exclusive() as staging:
                    for part, wanted in jars.items():
                        self._add_jars(_TOLD[part], wanted, staging)
                    self._add_archive(staging)
        kafka, catalog = ([*map(self._path, jars.get(part, ()))] for part in ("kafka", "rest_catalog"))
        return Downloads(kafka, self._home, catalog)

    def jars(self, part: str) -> list[Path]:
        """The jars of what runs beside the stack, downloaded as ``fetch`` does.

        Raises:
            ConfigError: the network, the disk, the folder or a checksum is in the way.
        """
        wanted = self._artifacts[part]
        with explained(self._folder, "K2_CACHE_DIR"):
            if self._missing(wanted):
                with self._exclusive() as staging:
                    self._add_jars(_TOLD[part], wanted, staging)
        return [*map(self._path, wanted)]

    @property
    def _home(self) -> Path:
        return self._folder / self._archive.name.removesuffix(".tar.gz")

    def _path(self, jar: Artifact) -> Path:
        return self._folder / "jars" / jar.name

    def _missing(self, jars: Iterable[Artifact]) -> list[Artifact]:
        return [jar for jar in jars if not _is_whole(self._path(jar), jar)]

    @contextmanager
    def _exclusive(self) -> Iterator[Path]:
        """Hold the cache's lock, with a staging folder that is gone afterwards, also after a crash."""
        waiting = f"another stack is filling {self._folder}: waiting for it"
        with locked(self._folder / "lock", lambda: self._report(waiting)):
            for left_over in self._folder.glob(f"{_STAGING}*"):
                rmtree(left_over)
            with tempfile.TemporaryDirectory(prefix=_STAGING, dir=self._folder) as staging:
                yield Path(staging)

    def _add_jars(self, what: str, jars: Iterable[Artifact], staging: Path) -> None:
        missing = self._missing(jars)
        paths = self._download(what, missing, staging)
        (self._folder / "jars").mkdir(exist_ok=True)
        for jar, path in zip(missing, paths, strict=True):
            path.replace(self._path(jar))

    def _add_archive(self, staging: Path) -> None:
        if self._home.is_dir():
            return
        (path,) = self._download("the schema registry", [self._archive], staging)
        with step("unpacking the schema registry", self._report), tarfile.open(path) as tar:
            tar.extraction_filter = getattr(
                tarfile, "data_filter", lambda member, _path: member
            )  # older 3.11 have none
            tar.extractall(staging / "unpacked")  # noqa: S202  # its sha256 was checked
        (staging / "unpacked").replace(self._home)

    def _download(self, what: str, wanted: list[Artifact], staging: Path) -> list[Path]:
        if not wanted:
            return []
        total = sum(artifact.size for artifact in wanted)
        with (
            transfer(f"downloading {what}", total, self._report) as advance,
            _Fetcher(staging, advance) as fetcher,
        ):
            return list(fetcher.fetch(wanted))


def _is_whole(path: Path, artifact: Artifact) -> bool:
    return path.is_file() and path.stat().st_size == artifact.size


class _Fetcher:
    """Several downloads at once into one folder; the first error, or Ctrl-C, ends them all."""

    def __init__(self, staging: Path, advance: Advance) -> None:
        self._staging, self._advance = staging, advance
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def fetch(self, wanted: list[Artifact]) -> Iterator[Path]:
        """Yield the checked files in the order asked for."""
        _trust_named_authorities()
        return self._pool.map(self._fetch, wanted)

    def _fetch(self, artifact: Artifact) -> Path:
        group, name, version, packaging, *classifier = artifact.coordinate.split(":")
        resolver = PythonResolver(progress_callback=lambda _name, _size: nullcontext(self._received))
        maven = MavenContext(resolver, repo_cache=self._staging, timeout=_TIMEOUT_S)
        component = maven.project(group, name).at_version(version)
        try:
            path: Path = _resolved(component.artifact("".join(classifier), packaging))
        except requests.RequestException as error:
            raise ConfigError(_unreachable(artifact, type(error).__name__)) from None
        except RuntimeError:  # jgo's word for every answer but 200
            raise ConfigError(_unreachable(artifact, "not found there")) from None
        return _checked(path, artifact)

    def _received(self, size: int) -> None:
        if self._ended.is_set():
            raise CancelledError
        self._advance(size)


@stamina.retry(on=requests.RequestException, attempts=3, wait_max=2.0)
def _resolved(artifact: Any) -> Path:
    path: Path = artifact.resolve()
    return path


def _trust_named_authorities() -> None:
    """The HTTP client knows its own authorities alone; where SSL_CERT_FILE names others, they hold for it too."""
    if named := os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", named)


def _unreachable(artifact: Artifact, reason: str) -> str:
    source = f"{artifact.coordinate} from Maven Central"
    return f"cannot download {source} ({reason}): check the network, then try again"


def _checked(path: Path, artifact: Artifact) -> Path:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != artifact.sha256:
        raise ConfigError(
            f"{artifact.name} is not what was pinned (sha256 {found}, expected {artifact.sha256}): "
            "it was discarded; try again, or find out who changed it"
        )
    return path
