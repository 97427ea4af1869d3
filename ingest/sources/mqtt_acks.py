"""Which messages may be acknowledged: in the order they came, each after its delivery is safe, per connection.

MQTT wants acknowledgements in order and a broker forgets packet numbers when the connection ends. A message that
could not be made safe blocks the line; the caller breaks the connection and the broker sends it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Entry:
    messages: list[tuple[int, int]]
    outcome: "asyncio.Future[Any] | None"


class AckLine:
    """The unacknowledged messages of one connection, oldest first, in groups that become safe together.

    Parameters
    ----------
    acknowledge : callable
        (packet number, QoS) of messages -> None; called in order of arrival.
    on_failure : callable
        Called once with the exception of the first delivery that was not made safe.
    """

    def __init__(
        self, acknowledge: Callable[[list[tuple[int, int]]], None], on_failure: Callable[[BaseException], None]
    ) -> None:
        self._acknowledge, self._on_failure = acknowledge, on_failure
        self._entries: deque[_Entry] = deque()
        self._count = 0
        self._closed = False
        self._woken = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return self._count

    def add(self, messages: list[tuple[int, int]], outcome: "asyncio.Future[Any] | None") -> None:
        """Some more messages; `outcome` None where nothing is to be waited for."""
        self._entries.append(_Entry(messages, outcome))
        self._count += len(messages)
        self._empty.clear()
        if outcome is None or outcome.done():
            self._wake()
        else:
            outcome.add_done_callback(self._wake)

    def close(self) -> None:
        """The connection ended: nothing of it is acknowledged any more."""
        self._closed = True
        self._entries.clear()
        self._count = 0
        self._empty.set()

    async def drained(self) -> None:
        """Wait until nothing is left to acknowledge."""
        await self._empty.wait()

    def _wake(self, _: object = None) -> None:
        # A batch settles many groups in one turn of the loop: walk the line once for all of them.
        if not self._woken and not self._closed:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._woken = False
        safe: list[tuple[int, int]] = []
        failure: BaseException | None = None
        while self._entries and failure is None and not self._closed:
            head = self._entries[0]
            if head.outcome is not None:
                if not head.outcome.done():
                    break
                failure = asyncio.CancelledError() if head.outcome.cancelled() else head.outcome.exception()
            if failure is None:
                self._entries.popleft()
                self._count -= len(head.messages)
                safe += [message for message in head.messages if message[1]]
        if safe:
            self._acknowledge(safe)
        if failure is not None:
            self.close()
            self._on_failure(failure)
        if not self._entries:
            self._empty.set()
