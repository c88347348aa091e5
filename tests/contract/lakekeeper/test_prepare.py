"""Lakekeeper is opened and has the warehouse, however often it is asked for, and who is refused reads why."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.contract.lakekeeper.fake import KEYS, Answer, Lakekeeper, refused, serving
from tests.contract.programs import loaded

from k2_shared.core.errors import ConfigError, K2Error, Unavailable
from k2_support.ports import free_port

PROGRAM = Path(__file__).parents[3] / "deploy/lakekeeper/prepare.py"
FIRST = [
    "Lakekeeper is open now",
    "warehouse k2 at s3://lake/warehouse of http://seaweedfs:8333 stands now",
]
AGAIN = [
    "Lakekeeper is open",
    "warehouse k2 at s3://lake/warehouse of http://seaweedfs:8333 stands, with the keys of now",
]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program, which compose runs as a file."""
    return loaded(PROGRAM)


@pytest.fixture
def lakekeeper() -> Lakekeeper:
    return Lakekeeper()


@pytest.fixture
def url(lakekeeper: Lakekeeper) -> Iterator[str]:
    with serving(lakekeeper) as found:
        yield found


def told(url: str, **changes: Any) -> dict[str, Any]:
    """What compose tells the program, changed."""
    given = {
        "lakekeeper_url": url,
        "iceberg_warehouse": "k2",
        "s3_endpoint": "http://seaweedfs:8333",
        "s3_access_key_id": KEYS[0],
        "s3_secret_access_key": KEYS[1],
    }
    return given | changes


def prepared(program: ModuleType, url: str, **changes: Any) -> list[str]:
    """What the program says of a run."""
    found: list[str] = program.prepare(program.LakekeeperSettings.load(**told(url, **changes)))
    return found


def refusal(program: ModuleType, url: str, kind: type[K2Error] = ConfigError, **changes: Any) -> str:
    """The line of a run that fails; it never has the secret."""
    with pytest.raises(kind) as raised:
        prepared(program, url, **changes)
    assert KEYS[1] not in str(raised.value)
    return str(raised.value)


def test_the_first_run_opens_it_and_makes_the_warehouse(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """With the keys for Lakekeeper itself."""
    assert prepared(program, url) == FIRST
    (made,) = lakekeeper.warehouses
    assert (lakekeeper.bootstrapped, made["name"]) == (True, "k2")
    assert lakekeeper.keys == {made["id"]: KEYS}


def test_clients_are_left_to_their_own_keys(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """The warehouse lends none and signs nothing; its store is reached by path."""
    prepared(program, url)
    assert lakekeeper.warehouses[0]["storage-profile"] == {
        "type": "s3",
        "flavor": "s3-compat",
        "endpoint": "http://seaweedfs:8333",
        "path-style-access": True,
        "region": "us-east-1",
        "bucket": "lake",
        "key-prefix": "warehouse",
        "sts-enabled": False,
        "remote-signing-enabled": False,
    }


def test_a_second_run_makes_nothing(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """It only tells the keys again."""
    prepared(program, url)
    lakekeeper.asked.clear()
    assert prepared(program, url) == AGAIN
    (made,) = lakekeeper.warehouses
    posted = [path for method, path in lakekeeper.asked if method == "POST"]
    assert posted == [f"/management/v1/warehouse/{made['id']}/storage-credential"]


def test_changed_keys_are_taken(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """Else its commits would fail from then on: it writes each table's metadata itself."""
    prepared(program, url)
    prepared(program, url, s3_secret_access_key="another")
    assert list(lakekeeper.keys.values()) == [(KEYS[0], "another")]


def test_who_comes_second_of_two_is_content(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """Another run opens it, and makes the warehouse, between this one's look and its own try."""
    others = {
        "/management/v1/bootstrap": lambda: setattr(lakekeeper, "bootstrapped", True),
        "/management/v1/warehouse": lambda: lakekeeper.made("K2", "lake", "warehouse"),
    }

    def another(method: str, path: str) -> Answer | None:
        if method == "POST" and path in others:
            others.pop(path)()
            if path.endswith("warehouse"):
                return refused(409, "WarehouseAlreadyExists", "Warehouse 'k2' already exists in project")
        return None

    lakekeeper.meanwhile = another
    assert prepared(program, url) == [FIRST[0], AGAIN[1]]
    assert list(lakekeeper.keys.values()) == [KEYS]


def test_a_warehouse_elsewhere_is_left_alone(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """Its tables would be looked for where they are not."""
    lakekeeper.made("k2", "other", "place")
    said = refusal(program, url)
    assert "warehouse k2 is at s3://other/place, and LAKEKEEPER_LOCATION is s3://lake/warehouse" in said
    assert "ICEBERG_WAREHOUSE" in said
    assert lakekeeper.keys == {}


def test_a_warehouse_of_another_name_in_the_place_is_told(
    program: ModuleType, lakekeeper: Lakekeeper, url: str
) -> None:
    """By Lakekeeper's own words, with its address and what it was to have."""
    lakekeeper.made("older", "lake", "warehouse")
    said = refusal(program, url)
    assert said.startswith(f"POST {url}/management/v1/warehouse: HTTP 400, CreateWarehouseStorageProfileOverlap: ")
    assert "overlaps with existing warehouse older. It was to have warehouse k2 at s3://lake/warehouse" in said


def test_a_warehouse_that_is_switched_off_is_told(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """It is on no list, yet has its name."""
    lakekeeper.inactive = [lakekeeper.made("k2", "lake", "elsewhere")]
    assert "HTTP 409, WarehouseAlreadyExists: Warehouse 'k2'" in refusal(program, url)


def test_keys_that_the_store_refuses_are_told_without_the_secret(
    program: ModuleType, lakekeeper: Lakekeeper, url: str
) -> None:
    """Even where the answer has it."""
    said = refusal(program, url, s3_access_key_id="wrong")
    assert "SignatureDoesNotMatch" in said
    assert "'secret-access-key': '***'" in said
    assert "by the key wrong: correct LAKEKEEPER_URL" in said
    assert lakekeeper.warehouses == []


def test_without_keys_nothing_is_asked(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """Lakekeeper has to write, too."""
    said = refusal(program, url, s3_access_key_id=None, s3_secret_access_key=None)
    assert said.startswith("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are not set")
    assert lakekeeper.asked == []


@pytest.mark.parametrize("answer", [(200, "<html>Hello</html>"), (200, {"version": "1"}), (200, []), (404, "no page")])
def test_what_is_no_lakekeeper_is_told(program: ModuleType, lakekeeper: Lakekeeper, url: str, answer: Answer) -> None:
    """By its address and what it said."""
    lakekeeper.meanwhile = lambda _method, _path: answer
    said = refusal(program, url)
    assert said.startswith(f"GET {url}/management/v1/info: HTTP {answer[0]}, which no Lakekeeper says (")
    assert "is this its address?" in said


def test_a_broken_lakekeeper_may_be_tried_again(program: ModuleType, lakekeeper: Lakekeeper, url: str) -> None:
    """As one that does not answer: the exit code says so."""
    lakekeeper.meanwhile = lambda _method, _path: refused(503, "CatalogBackendError", "connection refused")
    said = refusal(program, url, Unavailable)
    assert said.endswith("HTTP 503, CatalogBackendError: connection refused: its log says more")
    away = f"http://127.0.0.1:{free_port()}"
    assert refusal(program, away, Unavailable).startswith(f"GET {away}/management/v1/info: Lakekeeper did not answer")


def run(url: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """The program as compose runs it, told by its environment."""
    environment = {name.upper(): value for name, value in told(url, **changes).items()}
    command = [sys.executable, str(PROGRAM)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_ends_well_or_with_one_line(url: str) -> None:
    """What it did is on stdout; what it could not is one line on stderr, and never a secret."""
    done = run(url)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, FIRST, "")
    failed = run(url, lakekeeper_location="nowhere")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (2, "", 1)
    assert failed.stderr.startswith("lakekeeper-warehouse: LAKEKEEPER_LOCATION='nowhere' is not allowed: ")
    wrong = run(url, s3_access_key_id="wrong")
    assert wrong.returncode == 2
    assert KEYS[1] not in wrong.stdout + wrong.stderr
