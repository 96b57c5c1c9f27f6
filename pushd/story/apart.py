"""One app's trouble stays with that app."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pushd.model.app import App

log = logging.getLogger(__name__)


@contextmanager
def apart(app: App | UUID, what: str) -> Iterator[None]:
    """For a step of the daemon's start that is done for each app: if it fails for this one, that is logged, and all goes on.

    Of an app that was destroyed only the id is known.
    """
    try:
        yield
    except Exception:
        log.exception("cannot %s", what, extra={"app": app.name if isinstance(app, App) else app})
