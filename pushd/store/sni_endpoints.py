"""Certificates of apps. Private keys are encrypted and leave only by `private_key`."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams, NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.certificate import CERTIFICATES_PER_APP, Facts, SniEndpoint
from pushd.model.pem import Pair
from pushd.store.cipher import Cipher, Sealed
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, time_text

_SELECT = (
    "SELECT sni_endpoints.*, (SELECT group_concat(id) FROM"
    " (SELECT id FROM domains WHERE sni_endpoint_id = sni_endpoints.id ORDER BY hostname)) AS domain_ids FROM sni_endpoints"
)


class SniEndpoints:
    """Table `sni_endpoints`."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    async def of(self, app: App) -> list[SniEndpoint]:
        """By name."""

        def work(connection: sqlite3.Connection) -> list[SniEndpoint]:
            rows = connection.execute(f"{_SELECT} WHERE app_id = ? ORDER BY name", (str(app.id),))
            return [_endpoint(row) for row in rows]

        return await self._database.read(work)

    async def find(self, app: App, which: str) -> SniEndpoint:
        """By name or id. Raises: NotFound."""
        return await self._database.read(lambda connection: _find(connection, app, which))

    async def private_key(self, endpoint: SniEndpoint) -> str:
        """PEM, for the router alone. Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> bytes:
            row = connection.execute("SELECT private_key FROM sni_endpoints WHERE id = ?", (str(endpoint.id),)).fetchone()
            if row is None:
                raise _not_found()
            return bytes(row["private_key"])

        return self._cipher.unseal(await self._database.read(work), purpose=_purpose(endpoint.id))["private_key"]

    async def add(self, app: App, name: str, pair: Pair) -> SniEndpoint:
        """Raises: InvalidParams for a taken name or one too many; NotFound when the app is gone."""
        endpoint_id, now = uuid4(), time_text(self._clock.now())
        columns = self._columns(endpoint_id, pair)

        def work(connection: sqlite3.Connection) -> SniEndpoint:
            check_app_there(connection, app)
            _check_room(connection, app, name)
            connection.execute(
                "INSERT INTO sni_endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (str(endpoint_id), str(app.id), name, *columns, now, now),
            )
            return _find(connection, app, str(endpoint_id))

        return await self._database.transact(work)

    async def update(self, app: App, endpoint: SniEndpoint, pair: Pair) -> SniEndpoint:
        """Another certificate under the same name; its domains stay bound. Raises: NotFound when it is gone."""
        columns, now = self._columns(endpoint.id, pair), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> SniEndpoint:
            connection.execute(
                "UPDATE sni_endpoints SET certificate_chain = ?, private_key = ?, cert_domains = ?, issuer = ?, subject = ?,"
                " starts_at = ?, expires_at = ?, self_signed = ?, ca_signed = ?, updated_at = ? WHERE id = ?",
                (*columns, now, str(endpoint.id)),
            )
            return _find(connection, app, str(endpoint.id))

        return await self._database.transact(work)

    async def remove(self, app: App, which: str) -> SniEndpoint:
        """By name or id; its domains stay and lose the link. Gives what it was. Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> SniEndpoint:
            found = _find(connection, app, which)
            connection.execute("DELETE FROM sni_endpoints WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)

    def _columns(self, endpoint_id: UUID, pair: Pair) -> tuple[str | bytes | int, ...]:
        facts = pair.facts
        return (
            pair.certificate_chain,
            self._cipher.seal({"private_key": pair.private_key}, purpose=_purpose(endpoint_id)),
            json.dumps(facts.domains),
            facts.issuer,
            facts.subject,
            time_text(facts.starts_at),
            time_text(facts.expires_at),
            int(facts.self_signed),
            int(facts.ca_signed),
        )


def find_endpoint_id(connection: sqlite3.Connection, app: App, which: str | None) -> str | None:
    """The id of one of the app's certificates, by name or id; None for None. Raises: NotFound."""
    return None if which is None else str(_find(connection, app, which).id)


def _check_room(connection: sqlite3.Connection, app: App, name: str) -> None:
    if connection.execute("SELECT 1 FROM sni_endpoints WHERE name = ?", (name,)).fetchone():
        raise InvalidParams(f"Name {name} is already taken", remedy="Send it again: it gets another name.")
    count = connection.execute("SELECT count(*) FROM sni_endpoints WHERE app_id = ?", (str(app.id),)).fetchone()[0]
    if count >= CERTIFICATES_PER_APP:
        raise InvalidParams(
            f"An app can have {CERTIFICATES_PER_APP} certificates.", remedy="Remove one with certs:remove, or use certs:update."
        )


def _find(connection: sqlite3.Connection, app: App, which: str) -> SniEndpoint:
    row = connection.execute(
        f"{_SELECT} WHERE app_id = :app AND (name = :which OR id = :which)", {"app": str(app.id), "which": which.lower()}
    ).fetchone()
    if row is None:
        raise _not_found()
    return _endpoint(row)


def _not_found() -> NotFound:
    return not_found("SNI endpoint", resource="sni_endpoint", remedy="`pushd certs` lists those of the app.")


def _endpoint(row: sqlite3.Row) -> SniEndpoint:
    return SniEndpoint(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        name=row["name"],
        certificate_chain=row["certificate_chain"],
        facts=Facts(
            domains=tuple(json.loads(row["cert_domains"])),
            issuer=row["issuer"],
            subject=row["subject"],
            starts_at=datetime.fromisoformat(row["starts_at"]),
            expires_at=datetime.fromisoformat(row["expires_at"]),
            self_signed=bool(row["self_signed"]),
            ca_signed=bool(row["ca_signed"]),
        ),
        domain_ids=tuple(UUID(each) for each in row["domain_ids"].split(",")) if row["domain_ids"] else (),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def _purpose(endpoint_id: UUID | str) -> str:
    return f"key of SNI endpoint {endpoint_id}"


SEALED = Sealed("sni_endpoints", "private_key", _purpose)
