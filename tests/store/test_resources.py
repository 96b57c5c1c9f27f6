"""Sizes and figures of one app, and what earlier stores had of them."""

from __future__ import annotations

from pathlib import Path

from pushd.model.app import App
from pushd.model.resources import BUILD
from pushd.store.database import open_database
from pushd.store.migrations import packaged_migrations
from pushd.store.store import Store

ONE_APP = """
INSERT INTO users (id, email, is_operator, created_at, updated_at) VALUES ('u', 'a@b', 0, 't', 't');
INSERT INTO apps (id, name, owner_id, created_at, updated_at) VALUES ('a', 'blog', 'u', 't', 't');
INSERT INTO formation VALUES ('f', 'a', 'web', 1, 'Standard-1X', 't', 't');
INSERT INTO app_settings VALUES ('a', 'dyno-memory-mb', '300');
INSERT INTO app_settings VALUES ('a', 'build-memory-mb', '2000');
INSERT INTO app_settings VALUES ('a', 'slug-limit-mb', '77');
INSERT INTO app_settings VALUES ('a', 'probe', 'port');
"""


async def test_a_change_that_counts_raises_the_epoch_and_no_other(store: Store, app: App) -> None:
    await store.formation.set(app, {"web": 1})

    assert await store.resources.set(app, "web", {"memory": "1G"})
    assert not await store.resources.set(app, "web", {"memory": "1024M"})
    assert not await store.resources.set(app, "clock", {"memory": "1G"})  # nothing runs of it
    assert not await store.resources.set(app, BUILD, {"slug": "1M"})
    assert (await store.apps.find("blog")).restarts == 1

    await store.formation.set(app, {}, {"web": "Standard-2X"})  # as much memory, more of the processor
    assert (await store.apps.find("blog")).restarts == 2
    await store.formation.set(app, {"web": 2}, {"web": "Standard-2X"})
    assert (await store.apps.find("blog")).restarts == 2
    found = await store.resources.of(app)
    assert (found.of_dyno("web").size, found.of_dyno("clock").memory_mb, found.of_build().slug_mb) == ("Standard-2X", 1024, 1)


async def test_a_type_that_has_no_row_yet_gets_one_with_its_size(store: Store, app: App) -> None:
    await store.formation.set(app, {}, {"worker": "Eco"})

    assert [(row.type, row.quantity, row.size) for row in await store.formation.of(app)] == [("worker", 0, "Eco")]


async def test_what_an_earlier_store_had_as_settings_is_kept(tmp_path: Path) -> None:
    older = tuple(each for each in packaged_migrations() if each.number <= 10)
    database = await open_database(tmp_path / "store", older)
    await database.transact(lambda connection: [connection.execute(line) for line in ONE_APP.strip().splitlines()])
    await database.close()

    database = await open_database(tmp_path / "store")

    rows = await database.read(lambda connection: connection.execute("SELECT type, name, value FROM resources").fetchall())
    assert {tuple(row) for row in rows} == {
        ("web", "memory", "300M"), ("run", "memory", "300M"), ("release", "memory", "300M"),
        ("build", "memory", "2000M"), ("build", "slug", "77M"),
    }  # fmt: skip
    left = await database.read(lambda connection: connection.execute("SELECT name FROM app_settings").fetchall())
    assert [row["name"] for row in left] == ["probe"]
    await database.close()
