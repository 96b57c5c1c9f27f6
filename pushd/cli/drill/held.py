"""What holds and what does not, and waiting for what must come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pushd.errors import PushdError

T = TypeVar("T")
PATIENCE_SECONDS = 60.0  # for what must come; never how long something may take
_PAUSE_SECONDS = 0.02


class NotHeld(PushdError):
    """A promise that was not kept; the text says which."""


def hold(holds: object, what: str) -> None:
    """Raises: NotHeld with `what`, unless it holds."""
    if not holds:
        raise NotHeld(what)


def eventually(look: Callable[[], T], what: str) -> T:
    """The first truthy answer of `look`. Raises: NotHeld when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        hold(time.monotonic() < deadline, f"waited in vain for {what}")
        time.sleep(_PAUSE_SECONDS)
    return found
