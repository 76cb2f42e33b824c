"""Choosing TCP ports on the loopback."""

import random
import socket

from sop_portal.supervisor.errors import CannotStart

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections, so that none of those is in the way later.
_FROM, _TO = 20_000, 30_000


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now; connections that only wait to be forgotten do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(*taken: int) -> int:
    """A free port for a server, none of `taken`. Raises CannotStart when none is found."""
    for port in random.sample(range(_FROM, _TO), 200):
        if port not in taken and is_free(port):
            return port
    raise CannotStart(f"No free port was found between {_FROM} and {_TO} on {LOOPBACK}.")


def next_free(port: int) -> int:
    """`port`, or the first free one after it. Raises CannotStart when the hundred after it are all taken."""
    for candidate in range(port, min(port + 100, 65_536)):
        if is_free(candidate):
            return candidate
    raise CannotStart(f"The ports from {port} to {port + 99} are all in use: name a free one with PORT=.")
