"""Kafka as a hardened cluster has it: TLS by an authority of its own, and users with passwords."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.contract.tls.authority import HOST, Authority

from k2_local import StackSettings
from k2_local.artifacts import Cache, Downloads
from k2_local.identity import identity_of
from k2_local.kafka import Kafka
from k2_local.parts import NotReadyError, Site, java
from k2_support.ports import free_port
from k2_support.waiting import wait_for

USER, PASSWORD = "k2", "hunter2-correct-horse"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PATIENCE_S = 90.0


class SecureKafka(Kafka):
    """The stack's broker with a listener for every protocol."""

    def __init__(self, site: Site, keystore: Path) -> None:
        super().__init__(site)
        self._keystore = keystore
        self.listeners = {protocol: free_port() for protocol in PROTOCOLS[1:]} | {"PLAINTEXT": site.ports["kafka"]}

    def _properties(self) -> dict[str, object]:
        open_to_all = super()._properties()
        listeners = ",".join(f"{protocol}://{HOST}:{port}" for protocol, port in self.listeners.items())
        return {
            **open_to_all,
            "listeners": f"{listeners},CONTROLLER://{HOST}:{self.site.ports['kafka_controller']}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT," + ",".join(f"{p}:{p}" for p in PROTOCOLS),
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._keystore,
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            **_logins(),
        }


def _logins() -> dict[str, object]:
    found = {}
    for listener in ("sasl_plaintext", "sasl_ssl"):
        for mechanism in MECHANISMS:
            module = f'{_PLAIN} required user_{USER}="{PASSWORD}"' if mechanism == "PLAIN" else f"{_SCRAM} required"
            found[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = f"{module};"
    return found


@contextmanager
def secure_broker(folder: Path, authority: Authority) -> Iterator[Mapping[str, str]]:
    """Such a broker for the length of a block; yields the address of each protocol's listener."""
    settings = StackSettings.load(k2_state_dir=folder)
    (folder / "kafka").mkdir(parents=True)
    (folder / "logs").mkdir()
    site = Site(settings, identity_of(folder), {"kafka": free_port(), "kafka_controller": free_port()})
    part = SecureKafka(site, authority.keystore())
    downloads = Cache(settings.cache, print).fetch()
    launch = part.prepare(downloads)
    with part.log.open("wb") as log:
        process = subprocess.Popen(launch.argv, env={**os.environ, **launch.environ}, stdout=log, stderr=log)
    try:
        wait_for(lambda: _works(part, process), _PATIENCE_S, "the secure broker")
        addresses = {protocol: f"{HOST}:{port}" for protocol, port in part.listeners.items()}
        _add_user(downloads, addresses["PLAINTEXT"])
        yield addresses
    finally:
        process.kill()
        process.wait()


def _works(part: Kafka, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, part.log.read_text()[-2_000:]
    try:
        part.check()
    except NotReadyError:
        return False
    return True


def _add_user(downloads: Downloads, address: str) -> None:
    """PLAIN users stand in the configuration; SCRAM's are told to the controller, by Kafka's own tool, one by one."""
    classpath = os.pathsep.join(map(os.fspath, downloads.kafka_classpath))
    to_whom = ["--bootstrap-server", address, "--alter", "--entity-type", "users", "--entity-name", USER]
    for mechanism in MECHANISMS[1:]:
        tool = ["kafka.admin.ConfigCommand", *to_whom, "--add-config", f"{mechanism}=[password={PASSWORD}]"]
        command = java(256, "-XX:TieredStopAtLevel=1", "-cp", classpath, *tool)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
