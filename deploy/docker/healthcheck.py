"""Exit 0 if the service in this container answers /healthz; standard library only, to start fast."""

import http.client
import os
import sys

DEFAULT_PORT = "6066"
TIMEOUT_S = 4.0


def alive(port: int) -> bool:
    """Whether /healthz on this port says 200 in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    port = os.environ.get("WEB_PORT") or os.environ.get("SIM_PORT") or DEFAULT_PORT
    sys.exit(not alive(int(port)))
