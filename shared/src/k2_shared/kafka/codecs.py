"""The compression codecs of Kafka's batches: all are read, whatever a producer, a topic or a mirror chose."""

from functools import cache

from aiokafka import codec

from k2_shared.core.errors import ConfigError

CODECS = ("gzip", "snappy", "lz4", "zstd")
_SAMPLE = b"a batch of records " * 8


@cache
def check() -> None:
    """See that this installation reads every codec, before a batch comes that it cannot.

    Raises:
        ConfigError: it does not; names those that are missing.
    """
    missing = [name for name in CODECS if not _is_read(name)]
    if missing:
        raise ConfigError(
            f"batches that Kafka keeps in {', '.join(missing)} cannot be read here: the package cramjam is missing; "
            "install what requirements.lock names, aiokafka[lz4,snappy,zstd]"
        )


def _is_read(name: str) -> bool:
    """Whether a sample comes back; aiokafka imports the libraries of its codecs where they are installed."""
    encode, decode = getattr(codec, f"{name}_encode"), getattr(codec, f"{name}_decode")
    try:
        return bool(decode(encode(_SAMPLE)) == _SAMPLE)
    except NotImplementedError:
        return False
