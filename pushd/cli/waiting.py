"""Waiting until dynos have followed a change."""

from __future__ import annotations

from pushd.client.client import Client
from pushd.client.shapes import Changed, ChangeShape, T
from pushd.errors import PushdError


class ChangeFailed(PushdError):
    """The change is stored, and the dynos did not follow it; `reason` is the server's, with what to do next."""

    id, status = "change_failed", 422

    def __init__(self, reason: str) -> None:
        message, _, remedy = (reason or "The new dynos did not come up.").partition("\n")
        super().__init__(message, remedy=remedy or "The old ones serve on. `pushd logs` shows what the new ones said.")


def follow(client: Client, changed: Changed[T], *, no_wait: bool) -> None:
    """Return once the dynos have followed the change; at once with `no_wait`, or when none had to.

    Raises: ChangeFailed.
    """
    if changed.change_id is not None and not no_wait:
        check(client.settled(changed.change_id))


def check(change: ChangeShape) -> None:
    """Raises: ChangeFailed if that is how the change ended."""
    if change["state"] == "failed":
        raise ChangeFailed(change["reason"] or "")


def release_name(client: Client, app: str, change: ChangeShape | None) -> str:
    """The name of the release that a change made, "v5"; when no dyno has to follow it, of the newest."""
    number = change["release"] if change else None
    if number is None:
        number = max((each["version"] for each in client.releases(app, limit=1)), default=1)
    return f"v{number}"
