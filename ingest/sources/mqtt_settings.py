"""How to reach a broker and what to ask of it: a URL plus a gateway's settings, checked once.

Credentials stand in the URL or in the settings and never in a log: `repr` hides them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ingest.errors import SettingsError

# A gateway at this address is the broker that HEATBOOK_MQTT_URL names: its password is in no table then.
OWN_BROKER = "default"
SCHEMES = {"mqtt": (1883, False), "tcp": (1883, False), "mqtts": (8883, True), "ssl": (8883, True)}


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """A broker subscription.

    version 4 is MQTT 3.1.1, 5 is MQTT 5. `group` makes it a shared subscription (``$share/group/topic``): several
    workers split the stream. `client_id` must stay the same over restarts, else the broker cannot keep what came in
    between. `family` and `profile` ride on every delivery. `queue` bounds messages read and not yet offered.
    """

    host: str
    port: int = 1883
    topics: tuple[str, ...] = ("#",)
    client_id: str = "heatbook"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    version: int = 4
    qos: int = 1
    group: str = ""
    family: str | None = None
    profile: str | None = None
    keepalive_s: int = 30
    session_expiry_s: int = 7 * 86_400
    receive_maximum: int = 1_000
    queue: int = 4_000
    max_payload_bytes: int = 64 * 1024
    tls: bool = False
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    take_retained: bool = False

    def __post_init__(self) -> None:
        if self.version not in (4, 5):
            raise SettingsError(f"mqtt: version {self.version} is neither 4 (3.1.1) nor 5")
        if self.qos not in (0, 1, 2):
            raise SettingsError(f"mqtt: qos {self.qos} is not 0, 1 or 2")
        if not self.topics or any(not topic for topic in self.topics):
            raise SettingsError("mqtt: topics must name at least one filter")
        if not self.host or not 0 < self.port < 65536:
            raise SettingsError(f"mqtt: {self.host}:{self.port} is no address")
        for name in ("keepalive_s", "receive_maximum", "queue", "max_payload_bytes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"mqtt: {name} must be at least 1")
        if self.receive_maximum > 65535:
            raise SettingsError("mqtt: receive_maximum is at most 65535")

    @property
    def subscriptions(self) -> tuple[tuple[str, int], ...]:
        """Filters with their QoS, as the broker gets them."""
        prefix = f"$share/{self.group}/" if self.group else ""
        return tuple((prefix + topic, self.qos) for topic in self.topics)


# Settings a URL's query or a gateway may carry, with their type.
_KINDS: dict[str, type] = {
    "client_id": str, "username": str, "password": str, "version": int, "qos": int, "group": str,
    "family": str, "profile": str,
    "keepalive_s": int, "session_expiry_s": int, "receive_maximum": int, "queue": int, "max_payload_bytes": int,
    "tls_ca": str, "tls_certificate": str, "tls_key": str, "take_retained": bool,
}  # fmt: skip


def settings_from_url(url: str, settings: Mapping[str, Any] | None = None, **defaults: Any) -> MqttSettings:
    """Broker settings from ``mqtt[s]://user:password@host:port/?version=5`` and a gateway's settings, which win.

    Parameters
    ----------
    url : str
        The gateway's address.
    settings : mapping, optional
        ``{"topics": [...], "family": ..., "group": ...}``; None values count as absent.
    **defaults
        For what neither says, such as ``client_id="heatbook-gateway-7"``.

    Raises
    ------
    SettingsError
        Naming the key.
    """
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme not in SCHEMES:
        raise SettingsError(f"mqtt: {parts.scheme}:// is none of {', '.join(SCHEMES)}")
    default_port, tls = SCHEMES[parts.scheme]
    try:
        port = parts.port or default_port
    except ValueError as error:
        raise SettingsError("mqtt: the port is no number") from error
    values: dict[str, Any] = {**defaults, "host": parts.hostname or "", "port": port, "tls": tls}
    if parts.username is not None:
        values["username"] = unquote(parts.username)
    if parts.password is not None:
        values["password"] = unquote(parts.password)
    query = dict(parse_qsl(parts.query))
    topics = [query.pop("topics")] if "topics" in query else None
    given = {**query, **{key: value for key, value in (settings or {}).items() if value is not None}}
    topics = given.pop("topics", topics)
    if topics is not None:
        values["topics"] = (topics,) if isinstance(topics, str) else tuple(str(topic) for topic in topics)
    for name, value in given.items():
        values[name] = _typed(name, value)
    return MqttSettings(**values)


def _typed(name: str, value: Any) -> Any:
    kind = _KINDS.get(name)
    if kind is None:
        raise SettingsError(f"mqtt: unknown setting {name!r}")
    if kind is bool:
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes")
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"mqtt: {name} must be {kind.__name__}") from error
