"""The keys of the object store: given, in a file that is written anew, or wrong."""

from pathlib import Path

import pytest
from tests.contract.catalogs.conftest import Tables

from k2_shared.core.lake_settings import LakeSettings
from k2_support.lake import batch


class Keys:
    """A file of keys for settings that have no others."""

    def __init__(self, file: Path, settings: dict[str, str]) -> None:
        self.file = file
        self.id, self.secret = settings["s3_access_key_id"], settings["s3_secret_access_key"]
        self.write(self.secret)

    def write(self, secret: str) -> None:
        """Put keys into the file."""
        self.file.write_text(f"[default]\naws_access_key_id = {self.id}\naws_secret_access_key = {secret}\n")

    def settings(self, tables: Tables) -> LakeSettings:
        """Settings that name the file, and have other keys, which it takes the place of."""
        return tables.settings(s3_secret_access_key="other", s3_credentials_file=self.file)


@pytest.fixture
def keys(tables: Tables, tmp_path: Path) -> Keys:
    return Keys(tmp_path / "credentials", tables.lake.settings())


def test_keys_of_a_file_are_used(tables: Tables, keys: Keys) -> None:
    """For rows, manifests and metadata."""
    tables.owner(keys.settings(tables)).commit(batch(0, 5))
    assert tables.offsets() == list(range(5))


def test_an_owner_outlives_a_rotation(tables: Tables, keys: Keys) -> None:
    """The store refuses the old keys; the next attempts have those that the file has by then."""
    keys.write("old")
    settings = keys.settings(tables)
    keys.write(keys.secret)
    errors: list[Exception] = []

    def rotate(error: Exception) -> None:
        errors.append(error)
        keys.write(keys.secret)

    owner = tables.owner(settings, failed=rotate)
    owner.commit(batch(0, 5))
    keys.write("old")
    owner.state()  # reads the table with the keys that the store refuses from now on
    owner.commit(batch(5, 9))
    assert errors
    assert "ACCESS_DENIED" in str(errors[0]) or "403" in str(errors[0]) or "SIGNATURE" in str(errors[0]).upper()
    assert tables.offsets() == list(range(9))


def test_a_file_that_is_half_written_is_an_attempt_that_failed(tables: Tables, keys: Keys) -> None:
    """Who writes it may not replace it at once."""
    settings = keys.settings(tables)
    errors: list[Exception] = []

    def whole(error: Exception) -> None:
        errors.append(error)
        keys.write(keys.secret)

    owner = tables.owner(settings, failed=whole)
    keys.file.write_text("[default]\naws_access_key_id = k")
    owner.commit(batch(0, 5))
    assert "lacks aws_secret_access_key" in str(errors[0])
    assert tables.offsets() == list(range(5))
