"""What can go wrong while a meter is asked; the class tells whether the line, the bus or the meter is to blame.

Rules: `counter` is the column of the health tables that a failure counts under; `retryable` says whether asking the
same meter again at once can help; `line_lost` says that the connection is of no more use.
"""


class SourceError(Exception):
    """Root of what a master reports about one question. `frame` holds the bytes that came, if any."""

    counter = "timeouts"
    retryable = True
    line_lost = False

    def __init__(self, message: str, frame: bytes = b"") -> None:
        super().__init__(message)
        self.frame = frame


class LineClosedError(SourceError):
    """The gateway closed the connection, or it could never be opened."""

    counter = "refusals"
    retryable = False
    line_lost = True


class SilenceError(SourceError):
    """Nothing, or not enough, came within the time that the baud rate allows."""


class GarbledError(SourceError):
    """Bytes came, but no valid frame is among them (checksum, parity, noise)."""

    counter = "checksum_errors"


class CollisionError(SourceError):
    """Several devices answered at once."""

    counter = "collisions"


class StrangerError(SourceError):
    """A valid frame of another device came: a late answer, or an address that two devices share."""

    counter = "checksum_errors"


class RefusedError(SourceError):
    """The device answered that it won't: an exception code, an application error."""

    counter = "refusals"
    retryable = False


class BusyError(RefusedError):
    """The device answered that it can't just now: asking again later may help."""

    retryable = True
