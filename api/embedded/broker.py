"""An MQTT broker from a wheel, on loopback, for one-command use and for tests."""

from types import TracebackType
from typing import Self

from api.embedded.ports import free_port


class EmbeddedBroker:
    """An MQTT 3.1.1 broker on loopback in a child process that ends with this one.

    It keeps its queues in memory only: production uses Mosquitto.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self._broker: object | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The broker's address as HEATBOOK_MQTT_URL takes it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        from iotcore import Broker

        broker = Broker(port=self.port, listen="127.0.0.1")
        broker.start()
        self._broker = broker

    def stop(self) -> None:
        """End the broker and release its port."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.stop()  # type: ignore[attr-defined]
