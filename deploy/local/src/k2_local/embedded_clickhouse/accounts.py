"""Who asks: the owner, who may do everything, and the reader, who may only read."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from k2_local.embedded_clickhouse.errors import Code, QueryError


@dataclass(frozen=True)
class Account:
    """One user of the server."""

    user: str
    password: str
    readonly: bool


def authenticated(accounts: Iterable[Account], headers: Mapping[str, str], params: Mapping[str, str]) -> Account:
    """The account that a request's credentials are of: by HTTP Basic, ClickHouse's headers or parameters.

    Raises:
        QueryError: there is no such user, or the password is another.
    """
    user, password = _credentials(headers, params)
    for account in accounts:
        if account.user == user and hmac.compare_digest(account.password.encode(), password.encode()):
            return account
    raise QueryError.of(
        Code.AUTHENTICATION_FAILED,
        f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
    )


def _credentials(headers: Mapping[str, str], params: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise QueryError.of(Code.AUTHENTICATION_FAILED, "the header Authorization is not HTTP Basic's") from None
        return user, password
    return params.get("user", "default"), params.get("password", "")
