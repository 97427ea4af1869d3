"""What can go wrong between a caller and a service function; nothing here knows HTTP.

The service functions raise these and those of `ingest.errors`; `api.problems` alone turns them into answers.
"""

from ingest.errors import ConflictError, ForbiddenError, IngestError, InvalidInputError


class UnauthenticatedError(IngestError):
    """The caller gave no proof of who they are, or one that does not hold. One message for every reason."""

    code = "unauthenticated"


class ThrottledError(IngestError):
    """Too many failed attempts: wait before the next."""

    code = "throttled"


class StaleError(ConflictError):
    """Somebody changed the thing since the caller looked at it."""

    code = "stale"


class RevisionRequiredError(InvalidInputError):
    """A decision needs the revision that the caller looked at (If-Match or `revision`)."""

    code = "revision.required"


class CursorError(InvalidInputError):
    """A cursor that this service did not make, or made for another question."""

    code = "cursor.invalid"


class IdempotencyError(ConflictError):
    """An Idempotency-Key was used before with another request."""

    code = "idempotency.mismatch"


class TooLargeError(InvalidInputError):
    """More input than this service takes at once."""

    code = "body.too_large"


class SamePersonError(ForbiddenError):
    """Two persons are needed and the second is the first."""

    code = "approval.same_person"
