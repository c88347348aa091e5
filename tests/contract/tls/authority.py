"""An authority of the tests' own, and what it signs."""

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOST = "127.0.0.1"


class Authority:
    """Signs certificates of this machine."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.cafile = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.cafile))

    def server(self) -> ssl.SSLContext:
        """What a TLS server of this machine shows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(HOST).configure_cert(context)
        return context

    def keystore(self) -> Path:
        """A key and its certificates as Kafka reads them: PEM, the key in PKCS #8."""
        issued = self._authority.issue_cert(HOST)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        path = self._folder / "keystore.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
        return path
