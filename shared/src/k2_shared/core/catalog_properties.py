"""Properties of a catalog that have no setting of their own and are passed on as they are; pure."""

from difflib import get_close_matches

_PASSED_ON = (
    "rest.sigv4-enabled",
    "rest.signing-region",
    "rest.signing-name",
    "scope",
    "audience",
    "resource",
    "prefix",
    "client.region",
    "s3.force-virtual-addressing",
    "s3.role-arn",
    "s3.role-session-name",
    "s3.proxy-uri",
    "s3.anonymous",
)
_HEADER = "header."
_OWN_SETTINGS = {
    "uri": "ICEBERG_CATALOG_URI",
    "warehouse": "ICEBERG_WAREHOUSE",
    "credential": "ICEBERG_CREDENTIAL",
    "token": "ICEBERG_TOKEN",
    "oauth2-server-uri": "ICEBERG_OAUTH2_SERVER_URI",
    "header.authorization": "ICEBERG_TOKEN",
    "s3.endpoint": "S3_ENDPOINT",
    "s3.access-key-id": "S3_ACCESS_KEY_ID",
    "s3.secret-access-key": "S3_SECRET_ACCESS_KEY",
    "s3.session-token": "S3_SESSION_TOKEN",
    "s3.region": "S3_REGION",
}


def passed_on(given: str) -> dict[str, str]:
    """What ``name=value,name=value`` says.

    Raises:
        ValueError: it is of another form, or a name is unknown or has a setting of its own; says what is meant.
    """
    found: dict[str, str] = {}
    for each in filter(None, map(str.strip, given.split(","))):
        name, equals, value = each.partition("=")
        if not equals or not value:
            raise ValueError(f"{each!r} is no name=value")
        found[_known(name.strip())] = value.strip()
    return found


def _known(name: str) -> str:
    if setting := _OWN_SETTINGS.get(name.lower()):
        raise ValueError(f"{name} has a setting of its own, {setting}")
    if name in _PASSED_ON or (name.startswith(_HEADER) and len(name) > len(_HEADER)):
        return name
    close = get_close_matches(name, _PASSED_ON, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise ValueError(f"there is no property {name!r} to pass on: {meant}there are {', '.join(_PASSED_ON)}, header.NAME")
