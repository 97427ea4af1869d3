"""Settings of a process, read once from the environment at the top and passed down.

Nothing is read at import. Addresses that may hold passwords are masked when shown.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.errors import SettingsError

PREFIX = "HEATBOOK_"


def masked(url: str) -> str:
    """A URL with its password hidden."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username}:***@{parts.hostname}:{parts.port or ''}".rstrip(":")).geturl()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a Heatbook process must know.

    data: folder for the embedded cluster, spool, keys and photos. port: HTTP port of API and console on `host`.
    metrics_port: of ingest and assess, on `metrics_host`; 0 serves no metrics. database_url and mqtt_url: None means
    "embedded". clock: see `ingest.clock.clock_from_text`. map_tiles: address of map tiles with {z}, {x} and {y}; empty
    draws the map on plain ground, without asking anybody.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8765
    database_url: str | None = field(default=None, repr=False)
    mqtt_url: str | None = field(default=None, repr=False)
    clock: str = ""
    time_zone: str = "Asia/Shanghai"
    master_key: str | None = field(default=None, repr=False)
    cookie_secure: bool = False
    log_level: str = "INFO"
    log_format: str = "text"
    max_body_bytes: int = 8 * 1024 * 1024
    max_payload_bytes: int = 64 * 1024
    batch_rows: int = 60_000
    batch_wait_s: float = 0.25
    queue_deliveries: int = 20_000
    spool_bytes: int = 1024 * 1024 * 1024
    backfill_days: int = 3_660
    demo_meters: int = 240
    demo_seed: int = 7
    demo_days: int = 14
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_name: str = "OpenID"
    oidc_scopes: str = "openid profile email"
    oidc_role_claim: str = "roles"
    oidc_roles: str = ""
    oidc_area_claim: str = ""
    public_url: str = ""
    notify_urls: str = field(default="", repr=False)
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    map_tiles: str = ""
    map_attribution: str = ""

    def __post_init__(self) -> None:
        for name in ("port", "metrics_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise SettingsError(f"{PREFIX}{name.upper()}: {getattr(self, name)} is not a TCP port")
        for name in ("max_body_bytes", "max_payload_bytes", "batch_rows", "queue_deliveries", "spool_bytes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{PREFIX}{name.upper()}: must be at least 1")

    def shown(self) -> dict[str, Any]:
        """Every setting for people and logs, secrets masked."""
        secret = {"master_key", "oidc_client_secret", "notify_urls"}
        result: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in secret:
                value = "***" if value else value
            elif item.name.endswith("_url") and value:
                value = masked(value)
            result[item.name] = str(value) if isinstance(value, Path) else value
        return result


def settings_from_environment(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from HEATBOOK_* variables; `overrides` (command-line options that were given) win.

    Raises
    ------
    SettingsError
        A variable cannot be read as what it should be; the message names it.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for item in fields(Settings):
        text = source.get(PREFIX + item.name.upper())
        if text is None or text == "":
            continue
        values[item.name] = _read(item.name, text)
    values.update({key: value for key, value in overrides.items() if value is not None})
    values.setdefault("data", Path.cwd() / ".heatbook")
    values["data"] = Path(values["data"]).expanduser().resolve()
    return Settings(**values)


def _read(name: str, text: str) -> Any:
    default = next(item for item in fields(Settings) if item.name == name).default
    try:
        if name == "data":
            return Path(text)
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: {text!r} is not a {type(default).__name__}") from error
    return text
