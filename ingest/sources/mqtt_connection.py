"""One MQTT connection on the event loop: paho speaks the protocol, the loop owns the socket, no thread in between.

Messages of QoS 0 and 1 are cut out before it (`mqtt_stream`). Rules: nothing that a callback raises reaches paho;
reading pauses when the taker has no room, so that TCP and the broker hold the rest; a connection is used once, a new
one is made after every loss.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.sources.errors import LineClosedError, RefusedError
from ingest.sources.mqtt_settings import MqttSettings
from ingest.sources.mqtt_stream import UNREADABLE_TOPIC, Message, StreamClient, StreamSocket

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
# Reads a turn of the loop, so that timers and other sockets get theirs.
_READS_A_TURN = 4


class ClosingSocket(ssl.SSLSocket):
    """A TLS socket that does not outlive a failed handshake; paho forgets it open."""

    def do_handshake(self, block: bool = False) -> None:
        """As in the base class; closes the socket where the handshake fails."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Certificates as the settings name them, the system's where they name none. Raises OSError for a missing file."""
    context = ssl.create_default_context(cafile=settings.tls_ca)
    if settings.tls_certificate:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    context.sslsocket_class = ClosingSocket
    return context


class MqttConnection:
    """Connect, subscribe, deliver messages to `on_message`, acknowledge; `lost` resolves when it is over."""

    def __init__(self, settings: MqttSettings, on_messages: Callable[[list[Message]], bool]) -> None:
        """`on_messages` returns whether more messages may come at once."""
        self.settings = settings
        self._on_messages = on_messages
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._socket: StreamSocket | None = None
        self._paused = False
        self._attached = False
        self._client = self._make_client()

    def _make_client(self) -> StreamClient:
        settings = self.settings
        version = MQTTProtocolVersion.MQTTv5 if settings.version == 5 else MQTTProtocolVersion.MQTTv311
        client = StreamClient(
            self._taken,
            settings.version == 5,
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if settings.version == 5 else False,
            protocol=version,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            client.tls_set_context(tls_context(settings))
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._connected
        client.on_subscribe = self._granted
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_socket_open = self._opened
        client.on_socket_close = self._socket_closed
        client.on_socket_register_write = self._wants_write
        client.on_socket_unregister_write = self._wants_no_write
        return client

    async def open(self) -> None:
        """Connect and subscribe.

        Raises
        ------
        LineClosedError
            The broker can't be reached or closes the connection.
        RefusedError
            It refuses the credentials or a filter.
        """
        try:
            await asyncio.to_thread(self._connect)
        except (OSError, ValueError) as error:
            raise LineClosedError(f"{self.settings.host}:{self.settings.port}: {error}") from error
        self._attach()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                waiting: set[asyncio.Future[Any]] = {self._subscribed, self.lost}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise LineClosedError("the broker does not answer the subscription") from error
        if not self._subscribed.done():
            raise LineClosedError(f"the broker closed the connection: {self.lost.result()}")
        self._subscribed.result()

    def _connect(self) -> None:
        settings = self.settings
        if settings.version == 5:
            wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wishes.SessionExpiryInterval = settings.session_expiry_s
            wishes.ReceiveMaximum = settings.receive_maximum
            self._client.connect(
                settings.host, settings.port, settings.keepalive_s, clean_start=False, properties=wishes
            )
        else:
            self._client.connect(settings.host, settings.port, settings.keepalive_s)

    # -- the socket on the loop

    def _opened(self, client: Client, userdata: Any, sock: Any) -> None:
        self._socket = sock

    def _attach(self) -> None:
        """From here on the loop watches the socket (connecting ran in a thread, which may not touch the loop)."""
        if self._socket is None:
            self._end("closed while connecting")
            return
        self._attached = True
        self._loop.add_reader(self._socket, self._readable)
        if self._client.want_write():
            self._loop.add_writer(self._socket, self._writable)

    def _socket_closed(self, client: Client, userdata: Any, sock: Any) -> None:
        if self._attached:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
        self._attached = False
        self._socket = None

    def _wants_write(self, client: Client, userdata: Any, sock: Any) -> None:
        if self._attached:
            self._loop.add_writer(sock, self._writable)

    def _wants_no_write(self, client: Client, userdata: Any, sock: Any) -> None:
        if self._attached:
            self._loop.remove_writer(sock)

    def _writable(self) -> None:
        """Hand what paho has to the socket, and the socket's to the network, as far as both take it."""
        if self._client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("writing failed")
            return
        sock = self._socket
        if sock is None:
            return
        try:
            sent = sock.flush()
        except OSError as error:
            self._end(f"writing failed: {error}")
            return
        if not sent and self._attached:
            self._loop.add_writer(sock, self._writable)
        elif sent and self._attached:
            self._loop.remove_writer(sock)

    def _readable(self) -> None:
        for _ in range(_READS_A_TURN):
            if self._paused or self._socket is None:
                return
            self._socket.starved = False
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("reading failed")
                return
            if self._socket is None or self._socket.starved:
                return
        # The selector does not see bytes that were already read.
        self._loop.call_soon(self._readable)

    def pause(self) -> None:
        """Stop reading: the broker and TCP hold what comes."""
        if not self._paused and self._attached and self._socket is not None:
            self._paused = True
            self._loop.remove_reader(self._socket)

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if self._attached and self._socket is not None:
                self._loop.add_reader(self._socket, self._readable)
                self._loop.call_soon(self._readable)

    # -- paho's callbacks

    def _connected(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            if not self._subscribed.done():
                self._subscribed.set_exception(RefusedError(f"the broker refuses the connection: {reason}"))
            return
        client.subscribe(list(self.settings.subscriptions))

    def _granted(self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Any) -> None:
        if self._subscribed.done():
            return
        refused = [
            topic for (topic, _), reason in zip(self.settings.subscriptions, reasons, strict=False) if reason.is_failure
        ]
        if refused:
            self._subscribed.set_exception(RefusedError(f"the broker refuses the filters {', '.join(refused)}"))
        else:
            self._subscribed.set_result(None)

    def _received(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = UNREADABLE_TOPIC
        self._taken([Message(topic, bytes(message.payload), message.mid, message.qos, message.retain, message.dup)])

    def _taken(self, messages: list[Message]) -> None:
        try:
            more = self._on_messages(messages)
        except Exception:
            # paho would let it out of the loop; the messages stay unacknowledged and come again.
            log.exception("MQTT messages were not taken")
            self._end("a message was not taken")
            return
        if not more:
            self.pause()

    def _disconnected(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._end(str(reason))

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    # -- what the source does with it

    def acknowledge(self, messages: Iterable[tuple[int, int]]) -> None:
        """Tell the broker that messages (packet number, QoS) are safe; all in one piece."""
        sock = self._socket
        if sock is None:
            return
        sock.acknowledge(mid for mid, qos in messages if qos == 1)
        for mid, qos in messages:
            if qos == 2:
                self._client.ack(mid, qos)
        self.flush()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a command (a Sparkplug rebirth), at most once."""
        self._client.publish(topic, payload, qos=0)

    def tick(self) -> None:
        """Once a second or so: keep-alive."""
        if self._socket is not None and self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("the broker is silent")

    def flush(self) -> None:
        """Write what waits to be written, as far as the socket takes it."""
        if self._socket is not None and (self._client.want_write() or self._socket.waiting):
            self._writable()

    def close(self, reason: str = "closed") -> None:
        """Say goodbye where possible and let the socket go. Idempotent."""
        self.flush()
        self._end(reason)
        if self._socket is not None:
            self._client.disconnect()
            self.flush()
        sock = self._socket
        if sock is not None:
            self._socket_closed(self._client, None, sock)
            sock.close()
        if self._subscribed.done() and not self._subscribed.cancelled():
            self._subscribed.exception()
