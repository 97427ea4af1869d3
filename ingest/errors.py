"""What can go wrong on the way from the wire to the store; the class tells whose fault it is.

Rules: one root; `code` is stable and machine-readable; nothing here knows HTTP.
"""


class IngestError(Exception):
    """Root of this package's errors. `code` is stable, `field` names the offending input where there is one."""

    code = "ingest"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class SettingsError(IngestError):
    """A setting is wrong: the operator's to mend."""

    code = "settings.invalid"


class NotFoundError(IngestError):
    """What was asked for does not exist (or is not in the caller's areas)."""

    code = "not_found"


class ConflictError(IngestError):
    """The change contradicts what is stored: overlapping installations, a stale revision, a frozen quantity."""

    code = "conflict"


class InvalidInputError(IngestError):
    """The input breaks a rule; `field` names it."""

    code = "input.invalid"


class ForbiddenError(IngestError):
    """The caller may not do this."""

    code = "forbidden"


class UnavailableError(IngestError):
    """The database, a broker or a gateway is away; trying again later may help."""

    code = "unavailable"
