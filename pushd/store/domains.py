"""Custom domains of apps. No two apps have the same one."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.domain import DOMAINS_PER_APP, Domain
from pushd.store.database import Database
from pushd.store.rows import check_app_there, maybe_id, not_found, time_text
from pushd.store.sni_endpoints import find_endpoint_id

_SELECT = (
    "SELECT domains.*, sni_endpoints.name AS endpoint_name FROM domains"
    " LEFT JOIN sni_endpoints ON sni_endpoints.id = domains.sni_endpoint_id"
)


class Domains:
    """Table `domains`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, app: App) -> list[Domain]:
        """By host name."""

        def work(connection: sqlite3.Connection) -> tuple[Domain, ...]:
            rows = connection.execute(f"{_SELECT} WHERE domains.app_id = ? ORDER BY hostname", (str(app.id),))
            return tuple(_domain(row) for row in rows)

        return list(await self._database.remembered(("domains", app.id), work))

    async def find(self, app: App, which: str) -> Domain:
        """By host name or id. Raises: NotFound."""
        return await self._database.read(lambda connection: _find(connection, app, which))

    async def add(self, app: App, hostname: str, endpoint: str | None) -> Domain:
        """`hostname` as `parse_hostname` gives it; `endpoint` is the name or id of one of the app's certificates.

        Raises: InvalidParams for a domain that is taken, or one too many; NotFound for the endpoint or the app.
        """
        domain_id, now = str(uuid4()), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Domain:
            check_app_there(connection, app)
            _check_free(connection, app, hostname)
            values = (domain_id, str(app.id), hostname, find_endpoint_id(connection, app, endpoint), now, now)
            connection.execute("INSERT INTO domains VALUES (?, ?, ?, ?, ?, ?)", values)
            return _find(connection, app, domain_id)

        return await self._database.transact(work)

    async def bind(self, app: App, which: str, endpoint: str | None) -> Domain:
        """Serve the domain with another certificate of the app, or with none. Raises: NotFound for either."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Domain:
            found = _find(connection, app, which)
            endpoint_id = find_endpoint_id(connection, app, endpoint)
            connection.execute(
                "UPDATE domains SET sni_endpoint_id = ?, updated_at = ? WHERE id = ?", (endpoint_id, now, str(found.id))
            )
            return _find(connection, app, str(found.id))

        return await self._database.transact(work)

    async def remove(self, app: App, which: str) -> Domain:
        """Gives what it was. Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> Domain:
            found = _find(connection, app, which)
            connection.execute("DELETE FROM domains WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)


def _check_free(connection: sqlite3.Connection, app: App, hostname: str) -> None:
    row = connection.execute("SELECT app_id FROM domains WHERE hostname = ?", (hostname,)).fetchone()
    if row is not None and row["app_id"] == str(app.id):
        raise InvalidParams("Domain already added to this app.", remedy="`pushd domains` lists them.")
    if row is not None:
        raise InvalidParams(
            f"{hostname} is currently in use by another app.",
            remedy=f"Run `pushd domains:remove {hostname} --app THE_OTHER` first, or pick another name.",
        )
    if _is_anothers_visitors(connection, app, hostname):
        raise InvalidParams(
            f"{hostname} overlaps with a domain of another user's app: a wildcard and its names have one owner.",
            remedy="Ask the operator of this server whose it is, or pick another name.",
        )
    count = connection.execute("SELECT count(*) FROM domains WHERE app_id = ?", (str(app.id),)).fetchone()[0]
    if count >= DOMAINS_PER_APP:
        raise InvalidParams(f"An app can have {DOMAINS_PER_APP} domains.", remedy="Remove some, or add a wildcard.")


def _is_anothers_visitors(connection: sqlite3.Connection, app: App, hostname: str) -> bool:
    """Whether the name would take visitors from another user's wildcard, or its wildcard those of names that they may add."""
    query = """
        SELECT 1 FROM domains JOIN apps ON apps.id = domains.app_id
        WHERE apps.owner_id <> :owner AND substr(hostname, instr(hostname, '.') + 1) = :above AND (:wild OR hostname LIKE '*.%')
    """
    values = {"owner": str(app.owner_id), "above": hostname.partition(".")[2], "wild": hostname.startswith("*.")}
    return connection.execute(query, values).fetchone() is not None


def _find(connection: sqlite3.Connection, app: App, which: str) -> Domain:
    row = connection.execute(
        f"{_SELECT} WHERE domains.app_id = :app AND (hostname = :which OR domains.id = :which)",
        {"app": str(app.id), "which": which.lower().removesuffix(".")},
    ).fetchone()
    if row is None:
        raise not_found("domain name", resource="domain", remedy="`pushd domains` lists those of the app.")
    return _domain(row)


def _domain(row: sqlite3.Row) -> Domain:
    return Domain(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        hostname=row["hostname"],
        endpoint_id=maybe_id(row["sni_endpoint_id"]),
        endpoint_name=row["endpoint_name"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
