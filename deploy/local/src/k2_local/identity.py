"""A stack's identity: its Kafka cluster id and S3 keys, generated once and kept in its state folder."""

import base64
import hmac
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from k2_local.disk import read_json, write_json


@dataclass(frozen=True)
class Identity:
    """The cluster id and S3 keys of a stack; their file is readable by its owner alone."""

    cluster_id: str
    s3_access_key_id: str
    s3_secret_access_key: str

    def password_of(self, user: str, server: str = "clickhouse") -> str:
        """The password of a user of a server: derived, so that it needs no place of its own."""
        return hmac.new(self.s3_secret_access_key.encode(), f"{server}:{user}".encode(), "sha256").hexdigest()


def identity_of(state: Path) -> Identity:
    """Read the identity of a state folder, or make it; raises ConfigError if damaged, OSError."""
    path = state / "identity.json"
    known = read_json(path)
    if known is not None:
        return Identity(**known)
    made = Identity(_cluster_id(), f"k2{secrets.token_hex(8)}", secrets.token_hex(20))
    write_json(path, asdict(made), mode=0o600)
    return made


def _cluster_id() -> str:
    """A cluster id as Kafka makes them: 16 bytes in 22 URL-safe characters, not starting with a dash."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return _cluster_id() if made.startswith("-") else made
