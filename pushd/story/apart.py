"""One app's trouble stays with that app."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pushd.model.app import App

log = logging.getLogger(__name__)


@contextmanager
def apart(app: App, what: str) -> Iterator[None]:
    """For a step of the daemon's start that is done for each app: if it fails for this one, that is logged, and all goes on."""
    try:
        yield
    except Exception:
        log.exception("cannot %s", what, extra={"app": app.name})
