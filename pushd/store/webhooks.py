"""Webhooks: who listens to an app, to what, and with which secrets. URL, secret and authorization are encrypted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams, NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.secret import Environ
from pushd.model.webhook import PER_APP, Level, Secrets, Webhook
from pushd.store.cipher import Cipher, Sealed
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, parse_id, time_text

_SELECT = """
    SELECT webhooks.*, (SELECT json_group_array(include) FROM (
        SELECT include FROM webhook_includes WHERE webhook_id = webhooks.id ORDER BY rowid)) AS includes
    FROM webhooks
"""


class Webhooks:
    """Tables `webhooks` and `webhook_includes`."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    async def create(self, app: App, *, url: str, include: Sequence[str], level: Level, secrets: Secrets) -> Webhook:
        """Raises: InvalidParams for one too many, NotFound when the app is gone."""
        webhook_id, now = uuid4(), time_text(self._clock.now())
        sealed = self._seal(webhook_id, url, secrets)

        def work(connection: sqlite3.Connection) -> Webhook:
            check_app_there(connection, app)
            if connection.execute("SELECT count(*) FROM webhooks WHERE app_id = ?", (str(app.id),)).fetchone()[0] >= PER_APP:
                raise InvalidParams(
                    f"You can only add {PER_APP} webhooks to an app.", remedy="Remove one with webhooks:remove first."
                )
            connection.execute(
                "INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?)", (str(webhook_id), str(app.id), level.value, sealed, now, now)
            )
            _set_includes(connection, webhook_id, include)
            return self._find(connection, app, webhook_id)

        return await self._database.transact(work)

    async def of(self, app: App) -> list[Webhook]:
        """Oldest first."""

        def work(connection: sqlite3.Connection) -> list[Webhook]:
            rows = connection.execute(f"{_SELECT} WHERE app_id = ? ORDER BY created_at, id", (str(app.id),))
            return [self._webhook(row) for row in rows]

        return await self._database.read(work)

    async def find(self, app: App, webhook_id: str | UUID) -> Webhook:
        """Raises: NotFound."""
        wanted = parse_id(webhook_id)
        if wanted is None:
            raise _no_such_webhook()
        return await self._database.read(lambda connection: self._find(connection, app, wanted))

    async def secrets(self, webhook: Webhook) -> Secrets:
        """Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> Secrets:
            row = connection.execute("SELECT * FROM webhooks WHERE id = ?", (str(webhook.id),)).fetchone()
            if row is None:
                raise _no_such_webhook()
            return secrets_in(unsealed(self._cipher, row))

        return await self._database.read(work)

    async def update(self, app: App, webhook: Webhook, secrets: Secrets) -> Webhook:
        """Store all that `webhook` and `secrets` now say. Raises: NotFound."""
        sealed = self._seal(webhook.id, webhook.url, secrets)
        values = (webhook.level.value, sealed, time_text(self._clock.now()), str(webhook.id), str(app.id))

        def work(connection: sqlite3.Connection) -> Webhook:
            self._find(connection, app, webhook.id)
            connection.execute("UPDATE webhooks SET level = ?, sealed = ?, updated_at = ? WHERE id = ? AND app_id = ?", values)
            _set_includes(connection, webhook.id, webhook.include)
            return self._find(connection, app, webhook.id)

        return await self._database.transact(work)

    async def remove(self, app: App, webhook_id: str) -> Webhook:
        """With its deliveries; gives what it was. Raises: NotFound."""
        wanted = parse_id(webhook_id)
        if wanted is None:
            raise _no_such_webhook()

        def work(connection: sqlite3.Connection) -> Webhook:
            found = self._find(connection, app, wanted)
            connection.execute("DELETE FROM webhooks WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)

    def _seal(self, webhook_id: UUID, url: str, secrets: Secrets) -> bytes:
        values = {"url": url, "secret": secrets.secret}
        if secrets.authorization is not None:
            values["authorization"] = secrets.authorization
        return self._cipher.seal(values, purpose=_purpose(webhook_id))

    def _find(self, connection: sqlite3.Connection, app: App, webhook_id: UUID) -> Webhook:
        row = connection.execute(f"{_SELECT} WHERE app_id = ? AND id = ?", (str(app.id), str(webhook_id))).fetchone()
        if row is None:
            raise _no_such_webhook()
        return self._webhook(row)

    def _webhook(self, row: sqlite3.Row) -> Webhook:
        return Webhook(
            id=UUID(row["id"]),
            app_id=UUID(row["app_id"]),
            url=unsealed(self._cipher, row)["url"],
            include=tuple(json.loads(row["includes"])),
            level=Level(row["level"]),
            created_at=datetime.fromisoformat(row["created_at"]),
            updated_at=datetime.fromisoformat(row["updated_at"]),
        )


def unsealed(cipher: Cipher, row: sqlite3.Row) -> Environ:
    """What a row of `webhooks` keeps encrypted."""
    return cipher.unseal(row["sealed"], purpose=_purpose(row["id"]))


def secrets_in(values: Mapping[str, str]) -> Secrets:
    return Secrets(values["secret"], values.get("authorization"))


def _purpose(webhook_id: UUID | str) -> str:
    return f"webhook {webhook_id}"


def _set_includes(connection: sqlite3.Connection, webhook_id: UUID, include: Sequence[str]) -> None:
    connection.execute("DELETE FROM webhook_includes WHERE webhook_id = ?", (str(webhook_id),))
    connection.executemany("INSERT INTO webhook_includes VALUES (?, ?)", [(str(webhook_id), each) for each in include])


def _no_such_webhook() -> NotFound:
    return not_found("webhook", remedy="`pushd webhooks` lists those of the app.", resource="app_webhook")


SEALED = Sealed("webhooks", "sealed", _purpose)
