"""Tell Lakekeeper of the warehouse that the tables are in; compose runs it before ``k2 init``, in the same image.

A Lakekeeper is opened once ("bootstrapped") and a warehouse made once; run again, it is told the store's keys of now.
Clients have keys of their own, so that it neither lends them any (STS) nor signs their requests.
"""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import requests
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.exits import told_in_one_line
from k2_shared.core.lake_settings import LakeSettings

_OPEN_ALREADY = {"CatalogAlreadyBootstrapped", "ConcurrentBootstrap"}
_CONFLICT, _BROKEN = 409, 500


class LakekeeperSettings(LakeSettings):
    """Lakekeeper; its warehouse's name, place and store; and the keys by which it reaches the store."""

    lakekeeper_url: str = Field("http://127.0.0.1:8181", pattern=r"^https?://[^@]+$", description="Lakekeeper")
    lakekeeper_location: str = Field(
        "s3://lake/warehouse", pattern=r"^s3://[^/]+/.*[^/]$", description="bucket and folder of its warehouse"
    )

    @property
    def what(self) -> str:
        """The warehouse that is to be there."""
        return f"warehouse {self.iceberg_warehouse} at {self.lakekeeper_location} of {self.s3_endpoint}"

    @property
    def place(self) -> tuple[str, str]:
        """The location's bucket, and the folder in it."""
        bucket, _, folder = self.lakekeeper_location.removeprefix("s3://").partition("/")
        return bucket, folder

    @property
    def profile(self) -> dict[str, Any]:
        """The warehouse's store, as Lakekeeper is told of it."""
        bucket, folder = self.place
        return {
            "type": "s3",
            "flavor": "s3-compat",
            "endpoint": self.s3_endpoint,
            "path-style-access": True,
            "region": self.s3_region,
            "bucket": bucket,
            "key-prefix": folder,
            "sts-enabled": False,
            "remote-signing-enabled": False,
        }

    @property
    def credential(self) -> dict[str, str]:
        """The keys, as Lakekeeper is told of them."""
        kind = {"type": "s3", "credential-type": "access-key"}
        return {**kind, "access-key-id": self.store_keys.key, "secret-access-key": self.store_keys.secret}


class Info(BaseModel):
    """Whether a Lakekeeper is open."""

    bootstrapped: bool


class Profile(BaseModel):
    """Where a warehouse is."""

    bucket: str = ""
    folder: str | None = Field(None, alias="key-prefix")


class Warehouse(BaseModel):
    """A warehouse that stands."""

    number: str = Field(validation_alias=AliasChoices("warehouse-id", "id"))
    name: str
    profile: Profile = Field(alias="storage-profile")


class Warehouses(BaseModel):
    """Those in use."""

    warehouses: list[Warehouse]

    def named(self, name: str) -> Warehouse | None:
        """The one of a name, which Lakekeeper reads the same in upper and lower case."""
        return next((each for each in self.warehouses if each.name.lower() == name.lower()), None)


Read = TypeVar("Read", bound=BaseModel)


class Refused(ConfigError):
    """Lakekeeper did not do what it was asked; ``kind`` is its word for why, where it had one."""

    def __init__(self, text: str, status: int, kind: str) -> None:
        super().__init__(text)
        self.status, self.kind = status, kind


class Management:
    """Lakekeeper's management interface; nothing that it says is shown with ``secret`` in it."""

    def __init__(self, url: str, timeout_s: float, secret: str) -> None:
        self._url, self._timeout_s, self._secret = f"{url.rstrip('/')}/management/v1", timeout_s, secret

    def read(self, path: str, kind: type[Read]) -> Read:
        """What stands there. Blocks for one answer.

        Raises:
            Unavailable: none came in time, or the server is broken.
            Refused: it was another one.
        """
        answer = self._asked("GET", path)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            self._refuse(answer)

    def write(self, path: str, body: Mapping[str, Any]) -> None:
        """Have something done; blocks and raises as ``read`` does."""
        self._asked("POST", path, body)

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        url = f"{self._url}/{path}"
        try:
            answer = requests.request(method, url, json=body, timeout=self._timeout_s)
        except requests.RequestException as error:
            why = f"within {self._timeout_s:g} s ({type(error).__name__})"
            raise Unavailable(f"{method} {url}: Lakekeeper did not answer {why}: its log says more") from None
        if not answer.ok:
            self._refuse(answer)
        return answer

    def _refuse(self, answer: requests.Response) -> NoReturn:
        kind, message = _reason(answer)
        said = (
            f"{kind}: {message}" if kind else f"which no Lakekeeper says ({answer.text[:80]!r}): is this its address?"
        )
        text = f"{answer.request.method} {answer.url}: HTTP {answer.status_code}, {said}".replace(self._secret, "***")
        if answer.status_code >= _BROKEN:
            raise Unavailable(f"{text}: its log says more")
        raise Refused(text, answer.status_code, kind)


def _reason(answer: requests.Response) -> tuple[str, str]:
    """An error's type and message; both empty where the answer is no error of Lakekeeper's."""
    try:
        error = answer.json()["error"]
        return str(error["type"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def prepare(settings: LakekeeperSettings) -> list[str]:
    """Open Lakekeeper and make the warehouse, or find them as they are to be; a line for each. Blocks.

    Raises:
        ConfigError: Lakekeeper refuses, its warehouse of this name is elsewhere, or a setting is missing.
        Unavailable: it does not answer, or is broken.
    """
    if not settings.store_keys.key:
        raise ConfigError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are not set: Lakekeeper writes to the store too")
    server = Management(settings.lakekeeper_url, settings.iceberg_timeout_s, settings.store_keys.secret)
    try:
        return [_opened(server), _with_warehouse(server, settings)]
    except Refused as refused:
        raise ConfigError(
            f"{refused}. It was to have {settings.what}, by the key {settings.store_keys.key}: correct LAKEKEEPER_URL, "
            "LAKEKEEPER_LOCATION, ICEBERG_WAREHOUSE, S3_ENDPOINT or the keys, and run this again"
        ) from None


def _opened(server: Management) -> str:
    if server.read("info", Info).bootstrapped:
        return "Lakekeeper is open"
    try:
        server.write("bootstrap", {"accept-terms-of-use": True})
    except Refused as refused:
        if refused.kind not in _OPEN_ALREADY:
            raise
    return "Lakekeeper is open now"


def _with_warehouse(server: Management, settings: LakekeeperSettings) -> str:
    name = settings.iceberg_warehouse
    found = server.read("warehouse", Warehouses).named(name)
    if not found:
        made = {"warehouse-name": name, "storage-profile": settings.profile, "storage-credential": settings.credential}
        try:
            server.write("warehouse", {**made, "delete-profile": {"type": "hard"}})
        except Refused as refused:
            found = server.read("warehouse", Warehouses).named(name)
            if refused.status != _CONFLICT or not found:
                raise
        else:
            return f"{settings.what} stands now"
    _check_place(found, settings)
    server.write(f"warehouse/{found.number}/storage-credential", {"new-storage-credential": settings.credential})
    return f"{settings.what} stands, with the keys of now"


def _check_place(found: Warehouse, settings: LakekeeperSettings) -> None:
    place = (found.profile.bucket, found.profile.folder or "")
    if place != settings.place:
        raise ConfigError(
            f"Lakekeeper's warehouse {found.name} is at s3://{'/'.join(place)}, and LAKEKEEPER_LOCATION is "
            f"{settings.lakekeeper_location}: its tables do not move. Set LAKEKEEPER_LOCATION to where it is, or "
            "ICEBERG_WAREHOUSE to another name"
        )


if __name__ == "__main__":
    with told_in_one_line("lakekeeper-warehouse"):
        sys.stdout.write("".join(f"{line}\n" for line in prepare(LakekeeperSettings.load())))
