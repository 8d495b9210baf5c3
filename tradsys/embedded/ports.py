"""Choice of TCP ports on the loopback interface."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Container

LOOPBACK = "127.0.0.1"
# Below the range from which Linux and macOS give ports to outgoing connections: a port chosen here is not lent out a moment later.
_FIRST, _LAST = 15_000, 31_000


class NoFreePort(RuntimeError):
    """Every port that was tried is taken."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port in TIME_WAIT counts as free, a listening one does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port_from(preferred: int, *, but_not: Container[int] = ()) -> int:
    """`preferred`, or the next higher port that is free and not in `but_not`; raises NoFreePort after 200 taken ones."""
    for port in range(preferred, min(preferred + 200, 65_536)):
        if port not in but_not and is_free(port):
            return port
    raise NoFreePort(f"no free port from {preferred} to {preferred + 199}")


def any_free_port(*, but_not: Container[int] = ()) -> int:
    """A free port drawn at random, so that several test runs at once do not meet; raises NoFreePort after 200 taken ones."""
    for _ in range(200):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in but_not and is_free(port):
            return port
    raise NoFreePort(f"200 ports drawn from {_FIRST} to {_LAST} are all taken")
