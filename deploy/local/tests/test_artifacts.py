"""Downloads are whole, checked and shared, or absent; Maven Central is a small server of ours here."""

import errno
import hashlib
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jgo.maven import _core, _resolver

from k2_local.artifacts import Artifact, Cache, pinned
from k2_shared.core.errors import ConfigError
from k2_support.answering import answering

JAR, TAR = "org.one:first:1.0:jar", "org.two:app:2.0:tar.gz:all"
ABSENT = Artifact("0" * 64, 1, "org.none:nothing:1.0:jar")


def _tarball() -> bytes:
    buffer, content = io.BytesIO(), b"the runner"
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("app-runner.jar")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Central:
    """A Maven repository on 127.0.0.1 with one jar and one archive."""

    def __init__(self, folder: Path) -> None:
        self.requests: Counter[str] = Counter()
        files = {"org/one/first/1.0/first-1.0.jar": b"jar" * 1000, "org/two/app/2.0/app-2.0-all.tar.gz": _tarball()}
        jar, archive = (
            Artifact(hashlib.sha256(data).hexdigest(), len(data), coordinate)
            for coordinate, data in zip((JAR, TAR), files.values(), strict=True)
        )
        self.artifacts = {"kafka": [jar], "registry": [archive], "rest_catalog": [ABSENT]}
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(data)
            sha1 = hashlib.sha1(data).hexdigest()  # noqa: S324  # Maven's own checksum
            (folder / f"{path}.sha1").write_text(sha1)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self.requests, directory=str(folder)))


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, requests: Counter[str], *args: Any, **kwargs: Any) -> None:
        self._requests = requests
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self._requests[self.path.rpartition("/")[2]] += 1
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Central]:
    """What jgo takes for Maven Central."""
    made = Central(tmp_path / "central")
    monkeypatch.setitem(_core.DEFAULT_REMOTE_REPOS, "central", f"http://127.0.0.1:{made.server.server_port}")
    with answering(made.server):
        yield made


def _visible(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"lock"}


def _quiet(_line: str) -> None:
    """Take a report and drop it."""


def test_everything_is_pinned() -> None:
    """The lock lists what each part runs from, each file once, with sha256 and size, and one file in one way."""
    found = pinned()
    names = {part: [artifact.name for artifact in each] for part, each in found.items()}
    assert all(len(set(each)) == len(each) for each in names.values())
    assert {"kafka_2.13-4.1.1.jar", "log4j-slf4j-impl-2.24.3.jar"} <= set(names["kafka"])
    assert names["registry"] == ["apicurio-registry-app-3.0.9-all.tar.gz"]
    assert {"iceberg-core-1.11.0.jar", "postgresql-42.7.7.jar"} <= set(names["rest_catalog"])
    assert names["spark"] == ["iceberg-spark-runtime-3.5_2.12-1.11.0.jar", "iceberg-aws-bundle-1.11.0.jar"]
    every = {artifact for each in found.values() for artifact in each}
    assert len(every) == len({artifact.name for artifact in every})
    assert all(len(artifact.sha256) == 64 and artifact.size > 0 for artifact in every)


def test_downloads_are_kept(central: Central, tmp_path: Path) -> None:
    """The first fetch downloads and unpacks with progress, the second asks nobody and says nothing."""
    said: list[str] = []
    downloads = Cache(tmp_path / "cache", said.append, central.artifacts).fetch()
    assert [jar.read_bytes() for jar in downloads.kafka_classpath] == [b"jar" * 1000]
    assert (downloads.registry_home / "app-runner.jar").read_bytes() == b"the runner"
    assert [line for line in said if re.fullmatch(r"downloading Kafka: \d+ MB in \d+\.\d s", line)], said
    asked = central.requests.total()
    assert Cache(tmp_path / "cache", pytest.fail, central.artifacts).fetch() == downloads
    assert central.requests.total() == asked


def test_wrong_hash_names_the_file_and_leaves_nothing(central: Central, tmp_path: Path) -> None:
    """A file that is not what was pinned is discarded."""
    (jar,) = central.artifacts["kafka"]
    tampered = {**central.artifacts, "kafka": [Artifact("0" * 64, jar.size, jar.coordinate)]}
    with pytest.raises(ConfigError, match=r"first-1\.0\.jar is not what was pinned"):
        Cache(tmp_path / "cache", _quiet, tampered).fetch()
    assert _visible(tmp_path / "cache") == set()


def test_damaged_jar_is_fetched_again(central: Central, tmp_path: Path) -> None:
    """A cached jar of another size than pinned is replaced."""
    (jar,) = Cache(tmp_path / "cache", _quiet, central.artifacts).fetch().kafka_classpath
    jar.write_bytes(b"half")
    Cache(tmp_path / "cache", _quiet, central.artifacts).fetch()
    assert jar.read_bytes() == b"jar" * 1000


def test_no_network_is_one_line_with_exit_code_2(central: Central, tmp_path: Path) -> None:
    """Without an answer nothing is written, and the line says what to check."""
    central.server.shutdown()
    central.server.server_close()
    with pytest.raises(ConfigError, match=r"cannot download .* check the network") as caught:
        Cache(tmp_path / "cache", _quiet, central.artifacts).fetch()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert _visible(tmp_path / "cache") == set()


def test_missing_artifact_is_one_line(central: Central, tmp_path: Path) -> None:
    """A repository that does not have the file is told from one that does not answer."""
    with pytest.raises(ConfigError, match=r"cannot download org\.none:nothing:1\.0:jar .*not found there"):
        Cache(tmp_path / "cache", _quiet, central.artifacts).fetch(["kafka", "rest_catalog"])


def test_what_no_part_runs_from_is_not_downloaded(central: Central, tmp_path: Path) -> None:
    """The jars of a catalog that nobody asked for are neither there nor missed."""
    downloads = Cache(tmp_path / "cache", _quiet, central.artifacts).fetch(["kafka", "registry", "seaweed"])
    assert downloads.rest_catalog_classpath == []
    assert _visible(tmp_path / "cache" / "jars") == {"first-1.0.jar"}


def test_what_runs_beside_the_stack_is_downloaded_alone_and_once(central: Central, tmp_path: Path) -> None:
    """Neither Kafka nor the registry comes with it, and the second time nobody is asked."""
    artifacts = {**central.artifacts, "kafka": [ABSENT], "spark": central.artifacts["kafka"]}
    (jar,) = Cache(tmp_path / "cache", _quiet, artifacts).jars("spark")
    assert jar.read_bytes() == b"jar" * 1000
    assert _visible(tmp_path / "cache") == {"jars/first-1.0.jar"}
    asked = central.requests.total()
    assert Cache(tmp_path / "cache", pytest.fail, artifacts).jars("spark") == [jar]
    assert central.requests.total() == asked


def test_full_disk_is_one_line_and_leaves_nothing(
    central: Central, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills up in a download, the line names the folder and its variable."""

    def full(path: Path, mode: str) -> io.RawIOBase:
        Path(path).touch()
        return _Full()

    monkeypatch.setattr(_resolver, "open", full, raising=False)
    with pytest.raises(ConfigError, match=r"no space left on the disk of .*cache: .*K2_CACHE_DIR") as caught:
        Cache(tmp_path / "cache", _quiet, central.artifacts).fetch()
    assert caught.value.exit_code == 2
    assert _visible(tmp_path / "cache") == set()


class _Full(io.RawIOBase):
    def write(self, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_cache_that_cannot_be_written_is_one_line(central: Central, tmp_path: Path) -> None:
    """A cache folder below a file cannot be made: the line names it and its variable."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot use the folder .*K2_CACHE_DIR") as caught:
        Cache(tmp_path / "file" / "cache", _quiet, central.artifacts).fetch()
    assert caught.value.exit_code == 2


def test_stacks_that_start_together_download_once(central: Central, tmp_path: Path) -> None:
    """Of several fetches at once, one downloads and the others wait for it."""
    with ThreadPoolExecutor(4) as pool:
        caches = [Cache(tmp_path / "cache", _quiet, central.artifacts) for _ in range(4)]
        results = [future.result() for future in [pool.submit(cache.fetch) for cache in caches]]
    assert all(result == results[0] for result in results)
    assert central.requests["first-1.0.jar"] == central.requests["app-2.0-all.tar.gz"] == 1


def test_what_a_crash_left_is_removed(central: Central, tmp_path: Path) -> None:
    """The staging folder of a fetch that was killed is gone after the next."""
    left = tmp_path / "cache" / ".staging-killed"
    left.mkdir(parents=True)
    (left / "half.jar").touch()
    Cache(tmp_path / "cache", _quiet, central.artifacts).fetch()
    assert not left.exists()
