"""Between rows and nouns: ids, times and small mappings as the tables keep them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import UUID

from pushd.errors import NotFound
from pushd.model.app import App


def time_text(moment: datetime) -> str:
    """UTC with microseconds, always as long: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def maybe_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def maybe_id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def maybe_text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def mapping_text(values: Mapping[str, str]) -> str:
    """JSON in the mapping's order: process types keep the order of the Procfile."""
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


def mapping(text: str) -> Mapping[str, str]:
    return MappingProxyType(json.loads(text))


def parse_id(text: str | UUID) -> UUID | None:
    """The id that `text` is, in any of the ways to write one; None if it is none."""
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        return None


def check_app_there(connection: sqlite3.Connection, app: App) -> None:
    """Raises: NotFound when the app was destroyed meanwhile."""
    if connection.execute("SELECT 1 FROM apps WHERE id = ?", (str(app.id),)).fetchone() is None:
        raise app_not_found()


def app_not_found() -> NotFound:
    """The words of Heroku."""
    return NotFound("Couldn't find that app.", resource="app", remedy="`pushd apps` lists those you may see.")


def not_found(noun: str, remedy: str = "", *, resource: str = "") -> NotFound:
    """ "Couldn't find that release." and its like; `resource` is the schema's word if the noun is another."""
    return NotFound(f"Couldn't find that {noun}.", resource=resource or noun, remedy=remedy)
