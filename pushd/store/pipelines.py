"""Pipelines and the places of apps in them."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams, NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.pipeline import Coupling, Pipeline, Stage
from pushd.model.user import User
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, parse_id, time_text

_COUPLINGS = """
    SELECT pipeline_couplings.*, pipelines.name AS pipeline_name
    FROM pipeline_couplings JOIN pipelines ON pipelines.id = pipeline_couplings.pipeline_id
"""


class Pipelines:
    """Tables `pipelines` and `pipeline_couplings`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, name: str, owner: User) -> Pipeline:
        """Raises: InvalidParams when the owner has one of that name."""
        pipeline_id, now = uuid4(), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Pipeline:
            _check_free(connection, name, owner.id)
            connection.execute(
                "INSERT INTO pipelines VALUES (?, ?, ?, ?, ?)", (str(pipeline_id), name, str(owner.id), now, now)
            )
            return _find(connection, pipeline_id)

        return await self._database.transact(work)

    async def all(self, name: str | None = None) -> list[Pipeline]:
        """By name; with `name` those called so: of several owners there may be several."""
        query = "SELECT * FROM pipelines WHERE ?1 IS NULL OR name = ?1 ORDER BY name, created_at, id"
        return await self._database.read(lambda connection: [_pipeline(row) for row in connection.execute(query, (name,))])

    async def rename(self, pipeline: Pipeline, name: str) -> Pipeline:
        """Raises: InvalidParams when its owner has another of that name, NotFound."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Pipeline:
            found = _find(connection, pipeline.id)
            if name != found.name:
                _check_free(connection, name, found.owner_id)
            connection.execute("UPDATE pipelines SET name = ?, updated_at = ? WHERE id = ?", (name, now, str(pipeline.id)))
            return _find(connection, pipeline.id)

        return await self._database.transact(work)

    async def delete(self, pipeline: Pipeline) -> None:
        """Its apps stay, in no pipeline."""
        await self._database.transact(
            lambda connection: connection.execute("DELETE FROM pipelines WHERE id = ?", (str(pipeline.id),))
        )

    async def couple(self, app: App, pipeline: Pipeline, stage: Stage) -> Coupling:
        """Raises: InvalidParams when the app is in a pipeline already, NotFound."""
        coupling_id, now = uuid4(), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Coupling:
            check_app_there(connection, app)
            _find(connection, pipeline.id)
            if taken := _select_couplings(connection, "app_id = ?", str(app.id)):
                raise InvalidParams(
                    f"App {app.name} is already in the pipeline {taken[0].pipeline_name}.",
                    remedy=f"To move it: pushd pipelines:remove --app {app.name}, then add it again.",
                )
            connection.execute(
                "INSERT INTO pipeline_couplings VALUES (?, ?, ?, ?, ?, ?)",
                (str(coupling_id), str(app.id), str(pipeline.id), stage.value, now, now),
            )
            return _find_coupling(connection, "pipeline_couplings.id = ?", str(coupling_id))

        return await self._database.transact(work)

    async def find_coupling(self, coupling_id: str | UUID) -> Coupling:
        """Raises: NotFound."""
        wanted = str(parse_id(coupling_id))
        return await self._database.read(lambda connection: _find_coupling(connection, "pipeline_couplings.id = ?", wanted))

    async def coupling_of(self, app: App) -> Coupling:
        """Raises: NotFound for an app in no pipeline."""
        return await self._database.read(lambda connection: _find_coupling(connection, "app_id = ?", str(app.id)))

    async def couplings(self, pipeline: Pipeline | None = None) -> list[Coupling]:
        """Those of one pipeline, or all there are, in the order they were made."""

        def work(connection: sqlite3.Connection) -> list[Coupling]:
            if pipeline is None:
                return _select_couplings(connection, "1")
            return _select_couplings(connection, "pipeline_id = ?", str(pipeline.id))

        return await self._database.read(work)

    async def set_stage(self, coupling: Coupling, stage: Stage) -> Coupling:
        """Raises: NotFound."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Coupling:
            connection.execute(
                "UPDATE pipeline_couplings SET stage = ?, updated_at = ? WHERE id = ?", (stage.value, now, str(coupling.id))
            )
            return _find_coupling(connection, "pipeline_couplings.id = ?", str(coupling.id))

        return await self._database.transact(work)

    async def uncouple(self, coupling: Coupling) -> None:
        """Fine if it is gone."""
        await self._database.transact(
            lambda connection: connection.execute("DELETE FROM pipeline_couplings WHERE id = ?", (str(coupling.id),))
        )


def coupling_not_found() -> NotFound:
    return not_found("pipeline coupling", "`pushd pipelines:add` puts an app into one.", resource="pipeline_coupling")


def _check_free(connection: sqlite3.Connection, name: str, owner_id: UUID) -> None:
    values = (name, str(owner_id))
    if connection.execute("SELECT 1 FROM pipelines WHERE name = ? AND owner_id = ?", values).fetchone():
        raise InvalidParams(f"Name {name} is already taken", remedy="Pick another name; `pushd pipelines` lists yours.")


def _find(connection: sqlite3.Connection, pipeline_id: UUID) -> Pipeline:
    row = connection.execute("SELECT * FROM pipelines WHERE id = ?", (str(pipeline_id),)).fetchone()
    if row is None:
        raise not_found("pipeline", remedy="`pushd pipelines` lists those there are.")
    return _pipeline(row)


def _find_coupling(connection: sqlite3.Connection, where: str, value: str) -> Coupling:
    found = _select_couplings(connection, where, value)
    if not found:
        raise coupling_not_found()
    return found[0]


def _select_couplings(connection: sqlite3.Connection, where: str, *values: str) -> list[Coupling]:
    query = f"{_COUPLINGS} WHERE {where} ORDER BY pipeline_couplings.created_at, pipeline_couplings.id"
    return [_coupling(row) for row in connection.execute(query, values)]


def _pipeline(row: sqlite3.Row) -> Pipeline:
    return Pipeline(
        id=UUID(row["id"]),
        name=row["name"],
        owner_id=UUID(row["owner_id"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def _coupling(row: sqlite3.Row) -> Coupling:
    return Coupling(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        pipeline_id=UUID(row["pipeline_id"]),
        pipeline_name=row["pipeline_name"],
        stage=Stage(row["stage"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
