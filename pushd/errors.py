"""The errors that more than one room raises; each tells what is wrong and what to do next.

A `PushdError` is raised on purpose and is safe to show: its text never holds a secret. Anything else that escapes is a
bug of ours and keeps its traceback in the daemon's own log, never in an answer.
"""

from __future__ import annotations


class PushdError(Exception):
    """A refusal: `message` says what is wrong and where, `remedy` what to do next.

    `id` and `status` are what `problems.py` answers over HTTP: an id the Heroku CLI knows, and its status code.
    """

    id = "bad_request"
    status = 400

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def text(self) -> str:
        """Message and remedy, as one text for a person."""
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class BadRequest(PushdError):
    """The request itself cannot be read: bad JSON, a bad Range, a body of the wrong type (HTTP 400)."""


class Unauthorized(PushdError):
    """No token, or one that we do not know (HTTP 401)."""

    id, status = "unauthorized", 401


class Forbidden(PushdError):
    """A known user who may not do this (HTTP 403)."""

    id, status = "forbidden", 403


class NotFound(PushdError):
    """Something named in the request does not exist (HTTP 404); `resource` is the schema's word for it."""

    id, status = "not_found", 404

    def __init__(self, message: str, *, resource: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.resource = resource


class TooLarge(PushdError):
    """A body, pack or slug is over its limit (HTTP 413)."""

    id, status = "request_entity_too_large", 413


class InvalidParams(PushdError):
    """What was sent can never be accepted as it is: another value must be sent (HTTP 422).

    A bad config var, a name that is taken, a release that cannot be rolled back to.
    """

    id, status = "invalid_params", 422


class Conflict(PushdError):
    """What was sent is fine, but the state of things stands against it: the same may be accepted later.

    No earlier release yet, an app destroyed meanwhile (HTTP 422: the Heroku CLI does not handle 409).
    """

    id, status = "invalid_params", 422


class TooManyRequests(PushdError):
    """The user's calls of this hour are used up (HTTP 429)."""

    id, status = "rate_limit", 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Your account reached the API rate limit.",
            remedy=f"Wait {retry_after_seconds} s before the next call, or have the operator raise api_requests_per_hour.",
        )
        self.retry_after_seconds = retry_after_seconds


class DiskFull(PushdError):
    """The disk has no room: nothing was changed (HTTP 507)."""

    id, status = "disk_full", 507


class Unavailable(PushdError):
    """We are starting or stopping (HTTP 503)."""

    id, status = "unavailable", 503


class CannotListen(PushdError):
    """An address cannot be bound; `serve` ends."""

    id, status = "cannot_listen", 500

    def __init__(self, address: str, error: ValueError | OSError, *, flag: str) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        super().__init__(
            f"cannot listen on {address}: {reason}",
            remedy=f"Stop what has this address, or give another with {flag} (port 0 takes a free one).",
        )


class BuildFailed(PushdError):
    """The build ended without a slug; the old version serves on (push rejected, exit 1).

    `told`: a buildpack has said all of it already, in the build's output.
    """

    id, status = "build_failed", 422

    def __init__(self, message: str, *, remedy: str = "", told: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.told = told


class ReleasePhaseFailed(PushdError):
    """The `release:` process did not exit with 0; the old release serves on."""

    id, status = "release_failed", 422


class BootFailed(PushdError):
    """New dynos did not come up; the old ones serve on."""

    id, status = "boot_failed", 422


class Superseded(PushdError):
    """A newer push or release took the place of this one before it was its turn."""

    id, status = "superseded", 422
