"""What webhooks are told: events, as triggers of the store write them, and the delivery of each to every listener."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pushd.errors import NotFound
from pushd.model.app import App
from pushd.model.webhook import Attempt, Delivery, DeliveryStatus, Level, Secrets, WebhookEvent
from pushd.store.cipher import Cipher
from pushd.store.database import Database
from pushd.store.rows import maybe_id, maybe_time, not_found, parse_id, time_text
from pushd.store.webhooks import secrets_in, unsealed

KEPT = 1000  # events of each app

_EVENTS = """
    SELECT webhook_events.*, users.email AS actor_email
    FROM webhook_events JOIN users ON users.id = webhook_events.actor_id
"""
_DELIVERIES = """
    SELECT webhook_deliveries.*, webhook_events.id AS event_id, webhook_events.include, webhooks.level
    FROM webhook_deliveries
    JOIN webhook_events ON webhook_events.seq = webhook_deliveries.event_seq
    JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery whose time has come, with all that it takes."""

    delivery: Delivery
    event: WebhookEvent
    url: str
    secrets: Secrets

    def __repr__(self) -> str:
        return f"<Due {self.delivery.id}>"


class WebhookEvents:
    """Tables `webhook_events` and `webhook_deliveries`."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def of(self, app: App) -> list[WebhookEvent]:
        """Oldest first."""

        def work(connection: sqlite3.Connection) -> list[WebhookEvent]:
            return [_event(row) for row in connection.execute(f"{_EVENTS} WHERE app_id = ? ORDER BY seq", (str(app.id),))]

        return await self._database.read(work)

    async def find(self, app: App, event_id: str) -> WebhookEvent:
        """Raises: NotFound."""
        values = (str(app.id), str(parse_id(event_id)))

        def work(connection: sqlite3.Connection) -> WebhookEvent:
            row = connection.execute(f"{_EVENTS} WHERE app_id = ? AND webhook_events.id = ?", values).fetchone()
            if row is None:
                raise not_found("event", remedy="The oldest are not kept.", resource="app_webhook_event")
            return _event(row)

        return await self._database.read(work)

    async def deliveries(self, app: App, status: str | None = None) -> list[Delivery]:
        """Oldest first; all, or those of one status."""
        query = (
            f"{_DELIVERIES} WHERE webhook_events.app_id = ?1 AND (?2 IS NULL OR status = ?2) ORDER BY webhook_deliveries.seq"
        )

        def work(connection: sqlite3.Connection) -> list[Delivery]:
            return [_delivery(row) for row in connection.execute(query, (str(app.id), status))]

        return await self._database.read(work)

    async def find_delivery(self, app: App, delivery_id: str) -> Delivery:
        """Raises: NotFound."""
        values = (str(app.id), str(parse_id(delivery_id)))

        def work(connection: sqlite3.Connection) -> Delivery:
            query = f"{_DELIVERIES} WHERE webhook_events.app_id = ? AND webhook_deliveries.id = ?"
            row = connection.execute(query, values).fetchone()
            if row is None:
                raise _no_such_delivery()
            return _delivery(row)

        return await self._database.read(work)

    async def due(self, now: datetime, *, busy: Collection[UUID]) -> list[Due]:
        """What is to be delivered now: of each webhook that is not busy the delivery that has waited longest.

        Who is busy counts as of now: one that ends while the reader's thread works may have been read as it was before.
        """
        busy = frozenset(busy)

        def work(connection: sqlite3.Connection) -> list[Due]:
            query = """
                SELECT min(seq) AS seq, webhook_id FROM webhook_deliveries
                WHERE next_attempt_at <= ? GROUP BY webhook_id ORDER BY min(seq)
            """
            rows = connection.execute(query, (time_text(now),)).fetchall()
            return [self._due(connection, row["seq"]) for row in rows if UUID(row["webhook_id"]) not in busy]

        return await self._database.read(work)

    async def next_due(self, *, busy: Collection[UUID]) -> datetime | None:
        """When the next delivery to a webhook that is not busy is due; None if none is left."""
        busy = frozenset(busy)

        def work(connection: sqlite3.Connection) -> datetime | None:
            query = """
                SELECT webhook_id, min(next_attempt_at) AS at FROM webhook_deliveries
                WHERE next_attempt_at IS NOT NULL GROUP BY webhook_id
            """
            return min((datetime.fromisoformat(row["at"]) for row in connection.execute(query)
                        if UUID(row["webhook_id"]) not in busy), default=None)  # fmt: skip

        return await self._database.read(work)

    async def record(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, next_attempt_at: datetime | None
    ) -> None:
        """How one attempt went. Fine if the webhook is gone; events beyond the newest 1,000 of the app are forgotten."""
        values = {
            "seq": delivery.seq,
            "status": status.value,
            "next": None if next_attempt_at is None else time_text(next_attempt_at),
            "attempt": str(attempt.id),
            "code": attempt.code,
            "error": attempt.error,
            "at": time_text(attempt.at),
        }

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                """
                UPDATE webhook_deliveries
                SET status = :status, num_attempts = num_attempts + 1, next_attempt_at = :next, attempt_id = :attempt,
                    attempt_code = :code, attempt_error = :error, attempt_at = :at, updated_at = :at
                WHERE seq = :seq
                """,
                values,
            )
            connection.execute(
                """
                DELETE FROM webhook_events
                WHERE app_id = (SELECT app_id FROM webhook_events WHERE id = :event) AND seq <= (
                    SELECT seq FROM webhook_events
                    WHERE app_id = (SELECT app_id FROM webhook_events WHERE id = :event)
                    ORDER BY seq DESC LIMIT 1 OFFSET :kept)
                """,
                {"event": str(delivery.event_id), "kept": KEPT},
            )

        await self._database.transact(work)

    def _due(self, connection: sqlite3.Connection, seq: int) -> Due:
        delivery = connection.execute(f"{_DELIVERIES} WHERE webhook_deliveries.seq = ?", (seq,)).fetchone()
        event = connection.execute(f"{_EVENTS} WHERE webhook_events.seq = ?", (delivery["event_seq"],)).fetchone()
        webhook = connection.execute("SELECT * FROM webhooks WHERE id = ?", (delivery["webhook_id"],)).fetchone()
        values = unsealed(self._cipher, webhook)
        return Due(delivery=_delivery(delivery), event=_event(event), url=values["url"], secrets=secrets_in(values))


def _no_such_delivery() -> NotFound:
    return not_found("delivery", remedy="The oldest are not kept.", resource="app_webhook_delivery")


def _event(row: sqlite3.Row) -> WebhookEvent:
    return WebhookEvent(
        seq=row["seq"],
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        include=row["include"],
        action=row["action"],
        actor_id=UUID(row["actor_id"]),
        actor_email=row["actor_email"],
        data=json.loads(row["data"]),
        previous_data=json.loads(row["previous_data"]),
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def _delivery(row: sqlite3.Row) -> Delivery:
    attempt_id, attempt_at = maybe_id(row["attempt_id"]), maybe_time(row["attempt_at"])
    attempt = None
    if attempt_id is not None and attempt_at is not None:
        attempt = Attempt(id=attempt_id, code=row["attempt_code"], error=row["attempt_error"], at=attempt_at)
    return Delivery(
        seq=row["seq"],
        id=UUID(row["id"]),
        event_id=UUID(row["event_id"]),
        include=row["include"],
        webhook_id=UUID(row["webhook_id"]),
        level=Level(row["level"]),
        status=DeliveryStatus(row["status"]),
        num_attempts=row["num_attempts"],
        next_attempt_at=maybe_time(row["next_attempt_at"]),
        last_attempt=attempt,
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
