"""Every way a message can be wrong, with a code, the byte it shows at, and whose fault it is.

Rules: one root; the class tells what to do next (ask again, fix the set-up, report the sender);
`code` is stable and machine-readable; `offset` counts bytes from the start of the input given.
"""


class ProtocolError(ValueError):
    """A message that cannot be understood.

    Parameters
    ----------
    code : str
        Stable, dotted, lower case: ``"frame.checksum"``, ``"record.truncated"``, ``"key.wrong"``.
    message : str
        One sentence naming the byte or field: ``"checksum 0x3A where 0x3B was computed, byte 41 of 78"``.
    offset : int, optional
        Byte position in the input, from 0.
    """

    retryable = False

    def __init__(self, code: str, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset


class FrameError(ProtocolError):
    """The line garbled the frame (start, length, checksum, CRC, truncation): asking again may help."""

    retryable = True


class ContentError(ProtocolError):
    """The frame is intact but its content breaks the protocol: the sender's fault."""


class SecurityError(ProtocolError):
    """A missing or wrong key, a wrong MAC, a counter that does not rise: never yields data."""


class UnsupportedError(ProtocolError):
    """A valid message of a kind that this package does not read."""


class DeviceError(ProtocolError):
    """The device answered with an error of its own (application error, exception code, busy)."""


class ProfileError(ProtocolError):
    """A profile or mapping file is wrong; the message names the file and the key."""
