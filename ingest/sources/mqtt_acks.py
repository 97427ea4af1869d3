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
    mid: int
    qos: int
    outcome: "asyncio.Future[Any] | None"


class AckLine:
    """The unacknowledged messages of one connection, oldest first.

    Parameters
    ----------
    acknowledge : callable
        (mid, qos) -> None; called in order of arrival.
    on_failure : callable
        Called once with the exception of the first delivery that was not made safe.
    """

    def __init__(self, acknowledge: Callable[[int, int], None], on_failure: Callable[[BaseException], None]) -> None:
        self._acknowledge, self._on_failure = acknowledge, on_failure
        self._entries: deque[_Entry] = deque()
        self._closed = False
        self._woken = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, mid: int, qos: int, outcome: "asyncio.Future[Any] | None") -> None:
        """One more message; `outcome` None where nothing is to be waited for."""
        self._entries.append(_Entry(mid, qos, outcome))
        self._empty.clear()
        if outcome is None or outcome.done():
            self._wake()
        else:
            outcome.add_done_callback(self._wake)

    def close(self) -> None:
        """The connection ended: nothing of it is acknowledged any more."""
        self._closed = True
        self._entries.clear()
        self._empty.set()

    async def drained(self) -> None:
        """Wait until nothing is left to acknowledge."""
        await self._empty.wait()

    def _wake(self, _: object = None) -> None:
        # A batch settles thousands of futures in one turn of the loop: walk the line once for all of them.
        if not self._woken and not self._closed:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._woken = False
        while self._entries and not self._closed:
            head = self._entries[0]
            if head.outcome is not None:
                if not head.outcome.done():
                    return
                failure = asyncio.CancelledError() if head.outcome.cancelled() else head.outcome.exception()
                if failure is not None:
                    self.close()
                    self._on_failure(failure)
                    return
            self._entries.popleft()
            if head.qos:
                self._acknowledge(head.mid, head.qos)
        if not self._entries:
            self._empty.set()
