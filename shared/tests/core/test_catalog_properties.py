"""What of a catalog's properties is passed on, and how a misspelt one is told."""

import re
from pathlib import Path
from typing import Any

import pytest

from k2_shared.core.aws_credentials import keys_in
from k2_shared.core.catalog_properties import passed_on
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings


def test_properties_are_pairs() -> None:
    """Spaces around them mean nothing; a value may have an equals sign."""
    assert passed_on("") == {}
    assert passed_on("scope=PRINCIPAL_ROLE:ALL, header.X-A=b=c,") == {
        "scope": "PRINCIPAL_ROLE:ALL",
        "header.X-A": "b=c",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("scope", "'scope' is no name=value"),
        ("scope=", "'scope=' is no name=value"),
        ("rest.sigv4-enable=true", "did you mean rest.sigv4-enabled?"),
        ("flavour=sweet", "there is no property 'flavour' to pass on: there are rest.sigv4-enabled, "),
        ("header.=x", "there is no property 'header.'"),
        ("token=x", "token has a setting of its own, ICEBERG_TOKEN"),
        ("header.Authorization=x", "header.Authorization has a setting of its own, ICEBERG_TOKEN"),
        ("s3.endpoint=x", "S3_ENDPOINT"),
    ],
)
def test_what_cannot_be_passed_on_is_refused_in_a_line(given: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was given, and what is meant or allowed."""
    monkeypatch.setenv("ICEBERG_PROPERTIES", given)
    with pytest.raises(ConfigError, match=rf"ICEBERG_PROPERTIES={given!r} is not allowed: .*{re.escape(said)}"):
        LakeSettings.load()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"s3_access_key_id": "a"}, "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY belong together"),
        ({"iceberg_catalog_uri": "postgresql://user:word@host/db"}, "ICEBERG_CATALOG_URI"),
        ({"iceberg_catalog_uri": "nessie://host"}, r"ICEBERG_CATALOG_URI='nessie://host' is not allowed"),
        ({"iceberg_oauth2_server_uri": "auth"}, "ICEBERG_OAUTH2_SERVER_URI='auth' is not allowed"),
    ],
)
def test_what_reaches_no_catalog_and_no_store_is_refused(
    given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a login, a password where it would be shown, a server of another kind."""
    for name in LakeSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(ConfigError, match=said):
        LakeSettings.load(**given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"has no profile \[default\]"),
        ("no section", r"has no profile \[default\]"),
        ("[other]\naws_access_key_id = a", r"has no profile \[default\]"),
        ("[default]\naws_access_key_id = a\naws_secret_access_key =", "lacks aws_secret_access_key"),
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a start as a wrong setting, later as a store that fails."""
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(OSError, match=said):
        keys_in(file)
    monkeypatch.setenv("S3_CREDENTIALS_FILE", str(file))
    with pytest.raises(ConfigError, match=rf"S3_CREDENTIALS_FILE=.* is no file of keys .*{said}"):
        LakeSettings.load()


def test_a_file_has_keys_and_perhaps_a_session(tmp_path: Path) -> None:
    """Of the profile that is meant; what else stands there means nothing."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b%\nregion = x\n[other]\n")
    assert keys_in(file) == {"aws_access_key_id": "a", "aws_secret_access_key": "b%"}
    file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c\n")
    assert keys_in(file)["aws_session_token"] == "c"
