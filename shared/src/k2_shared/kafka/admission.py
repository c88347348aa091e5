"""The reason for which a broker refuses a client: aiokafka says only that it found no broker, and logs the reason."""

import asyncio
import ssl

from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed, UnsupportedSaslMechanismError

from k2_shared.core.errors import ConfigError
from k2_shared.core.failures import RETRYABLE
from k2_shared.core.settings import KafkaSettings

_TIMEOUT_S = 5.0  # of one address


async def refusal(settings: KafkaSettings) -> ConfigError | None:
    """Which setting a broker that listens refuses, found out by a connection to each address; None where it is none.

    Takes ``_TIMEOUT_S`` an address at most.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return None
    for server in settings.kafka_bootstrap_servers.split(","):
        if found := await _refused(settings, server):
            return found
    return None


async def _refused(settings: KafkaSettings, server: str) -> ConfigError | None:
    host, _, port = server.rpartition(":")
    client = {name: value for name, value in settings.client().items() if name != "bootstrap_servers"}
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            (await create_conn(host, int(port), **client)).close()
    except SaslAuthenticationFailed as error:
        return ConfigError(
            f"the broker at {server} refused KAFKA_SASL_USERNAME={settings.kafka_sasl_username!r} "
            f"({error}): check it and KAFKA_SASL_PASSWORD"
        )
    except UnsupportedSaslMechanismError:
        return ConfigError(f"the broker at {server} does not take KAFKA_SASL_MECHANISM={settings.kafka_sasl_mechanism}")
    except ssl.SSLCertVerificationError as error:
        return ConfigError(
            f"the certificate of the broker at {server} is not trusted ({error.verify_message}): check KAFKA_SSL_CAFILE"
        )
    except RETRYABLE:
        return None  # it does not answer, which the caller has noticed before
    return None
