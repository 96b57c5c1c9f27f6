"""The audit trail: what it keeps, and that it only grows."""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import uuid4

import pytest

from pushd.model.app import App
from pushd.model.deed import DONE
from pushd.model.user import User
from pushd.store.store import Store
from tests.store.conftest import ADMIN_TOKEN


async def test_an_entry_tells_who_by_what_from_where_and_how_it_ended(store: Store, app: App, operator: User) -> None:
    user = await store.users.by_token(ADMIN_TOKEN)
    assert user is not None
    first = await store.audit.begin(user, action="PATCH /apps/{app}", source="192.0.2.7", app=app)
    await store.audit.begin(operator, action="POST /apps", source="::1")
    await store.audit.end(first, DONE, {"name": {"before": "blog", "after": "shop"}})
    await store.audit.end(first, "refused: twice", {})

    newer, older = await store.audit.newest(10)

    assert (older.user_email, older.credential, older.source) == (
        user.email,
        f"token admin.token ({'pushd-th' + '*' * 10 + '6789'})",
        "192.0.2.7",
    )
    assert (older.action, older.app_id, older.app_name, older.outcome) == ("PATCH /apps/{app}", app.id, "blog", DONE)
    assert older.details == {"name": {"before": "blog", "after": "shop"}}
    assert (newer.credential, newer.app_id, newer.outcome, newer.ended_at) == ("password", None, None, None)


async def test_it_is_read_by_app_and_in_pieces_and_outlives_the_app(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)
    for name in "abc":
        await store.audit.begin(operator, action=name, source="::1", app=app)
        await store.audit.begin(operator, action=name.upper(), source="::1", app=other)
    await store.apps.delete(app)

    newest = await store.audit.newest(2, app_id=app.id)
    rest = await store.audit.newest(2, app_id=app.id, before=newest[-1].seq)

    assert [each.action for each in newest] == ["c", "b"]
    assert [each.action for each in rest] == ["a"]
    assert len(await store.audit.newest(100)) == 6
    assert await store.audit.newest(100, app_id=uuid4()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET user_email = 'nobody'",
        "DELETE FROM audit",
        "UPDATE audit_ends SET outcome = 'done'",
        "DELETE FROM audit_ends",
        "INSERT OR REPLACE INTO audit_ends VALUES (1, '', '{}', '')",
    ],
)  # fmt: skip
async def test_it_only_grows(store: Store, operator: User, statement: str) -> None:
    await store.audit.end(await store.audit.begin(operator, action="a", source="::1"), DONE, {})

    with pytest.raises(sqlite3.IntegrityError):
        await store.database.transact(lambda connection: connection.execute(statement))

    assert [each.outcome for each in await store.audit.newest(10)] == [DONE]


@pytest.mark.parametrize(
    "huge",
    [
        {f"name-{number}": "set" for number in range(10_000)},
        {"deep": {f"{outer}": {f"{inner}": ["x"] * 300 for inner in range(300)} for outer in range(300)}},
        {"list": [[[]] * 300] * 300},
        {"list": ["\u00e9\ud800\0" * 1000] * 1000, "number": 10**1000},
    ],
    ids=["many", "deep", "empty", "of many bytes"],
)
async def test_what_a_client_sends_does_not_fill_it(store: Store, operator: User, huge: dict[str, Any]) -> None:
    await store.audit.end(await store.audit.begin(operator, action="a", source="::1"), f"refused: {huge}", huge)

    (row,) = await store.database.read(lambda connection: connection.execute("SELECT * FROM audit_ends").fetchall())
    assert len(row["details"].encode()) < 4_200
    assert len(row["outcome"]) == 300


async def test_what_does_not_fit_is_told(store: Store, operator: User) -> None:
    many = {"first": "x" * 1000, "infinite": float("inf")} | {f"name-{number}": "set" for number in range(1000)}

    await store.audit.end(await store.audit.begin(operator, action="a", source="::1"), DONE, many)

    (deed,) = await store.audit.newest(1)
    assert (deed.details["first"], deed.details["infinite"], deed.details["name-0"]) == ("x" * 300, "inf", "set")
    assert list(deed.details)[-1] == "..."
