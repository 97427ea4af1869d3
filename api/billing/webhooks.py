"""Webhooks: a signed call when a period is frozen or a quantity adjusted, tried again until it is taken.

The body is JSON. `Heatbook-Signature: t=SECONDS,v1=HEX` is HMAC-SHA256 over "SECONDS.BODY" with the secret that was
shown once and is stored sealed under the installation's master key. A call tells that there is news; the figures
themselves are pulled from the change feed, so a lost or repeated call costs nothing.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from psycopg import AsyncConnection

from api.access import Actor
from ingest.errors import InvalidInputError, NotFoundError
from ingest.sealing import Sealer, SealError
from ingest.store import audit, outbox
from ingest.store.database import Pool

EVENTS: Final = ("billing.frozen", "billing.adjusted")
SIGNATURE: Final = "Heatbook-Signature"
TIMEOUT_S: Final = 10.0
# 1 min, 2, 4 ... 4 h: about a day of trying.
ATTEMPTS: Final = 14
_LONGEST: Final = timedelta(hours=4)


async def add(
    connection: AsyncConnection[Any], actor: Actor, sealer: Sealer, url: str, events: Sequence[str]
) -> tuple[int, str]:
    """New webhook: its number and its secret, which is never shown again."""
    actor.require("settler")
    actor.require_everywhere()
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInputError(f"this is no address: {error}", field="url") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        raise InvalidInputError("a webhook is an http or https address without a password in it", field="url")
    for event in events:
        if event not in EVENTS:
            raise InvalidInputError(f"{event!r} is none of {', '.join(EVENTS)}", field="events")
    secret = secrets.token_urlsafe(32)
    number = await outbox.add_webhook(connection, url, events, actor.name)
    await outbox.set_sealed(connection, number, sealer.seal_text(secret, _owner(number)))
    await audit.record(connection, actor.name, "webhook.add", f"webhook/{number}", {"url": url, "events": list(events)})
    return number, secret


async def listed(connection: AsyncConnection[Any], actor: Actor) -> list[dict[str, Any]]:
    """Webhooks without their secrets, with what waits and what failed."""
    actor.require("settler")
    actor.require_everywhere()
    return await outbox.webhooks(connection)


def _owner(webhook_id: int) -> str:
    return f"webhook/{webhook_id}"


async def end(connection: AsyncConnection[Any], actor: Actor, webhook_id: int) -> None:
    """Call it no more."""
    actor.require("settler")
    actor.require_everywhere()
    if not await outbox.end_webhook(connection, webhook_id):
        raise NotFoundError("no such webhook", field="webhook_id")
    await audit.record(connection, actor.name, "webhook.end", f"webhook/{webhook_id}")


def signature(secret: bytes, body: bytes, at: datetime) -> str:
    """Value of the signature header."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def is_genuine(secret: bytes, body: bytes, header: str, *, now: datetime, tolerance_s: int = 300) -> bool:
    """Whether a received call is ours and fresh: what a consumer checks."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    if not parts.get("t", "").isdigit() or abs(now.timestamp() - int(parts["t"])) > tolerance_s:
        return False
    expected = hmac.new(secret, f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))


async def deliver_due(pool: Pool, client: httpx.AsyncClient, sealer: Sealer, *, now: datetime) -> int:
    """Deliver calls that are due, one after the other; how many were tried. Several workers may do so at once."""
    async with pool.connection() as connection, connection.transaction():
        for row in await outbox.secrets_in_clear(connection):
            number = row["webhook_id"]
            await outbox.set_sealed(connection, number, sealer.seal_text(bytes(row["secret"]).decode(), _owner(number)))
    tried = 0
    while True:
        async with pool.connection() as connection, connection.transaction():
            call = await outbox.due_call(connection, now)
            if call is None:
                return tried
            await _attempt(connection, client, sealer, call, now)
            tried += 1


async def _attempt(
    connection: AsyncConnection[Any], client: httpx.AsyncClient, sealer: Sealer, call: dict[str, Any], now: datetime
) -> None:
    body = msgspec.json.encode(
        {"id": call["call_id"], "event": call["event"], "created_at": call["created_at"], "data": call["body"]}
    )
    status, error = None, ""
    try:
        secret = sealer.open_text(bytes(call["sealed"]), _owner(call["webhook_id"])).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: signature(secret, body, now)}
        answer = await client.post(
            call["url"], content=body, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )
        status = answer.status_code
        if 200 <= status < 300:
            await outbox.settle_call(connection, call["call_id"], "delivered", now, status=status)
            return
    except (httpx.HTTPError, SealError) as failure:
        error = f"{type(failure).__name__}: {failure}"[:500]
    last = call["attempts"] + 1 >= ATTEMPTS
    wait = min(_LONGEST, timedelta(minutes=2 ** call["attempts"]))
    state = "failed" if last else "waiting"
    await outbox.settle_call(connection, call["call_id"], state, now, status=status, error=error, wait=wait)
