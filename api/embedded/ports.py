"""Loopback ports for servers that a command starts, and what it says when one cannot be started."""

import contextlib
import random
import socket

# Below the ports that systems give to callers (Linux: from 32768 on, others: from 49152 on).
_PORTS = range(20_000, 32_000)


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the message says what to do."""


def free_port() -> int:
    """A loopback TCP port that is free now, and that the system gives to no caller before it is bound."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise EmbeddedError(f"no port between {_PORTS.start} and {_PORTS.stop} is free")
