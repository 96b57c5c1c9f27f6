"""Webhooks as they are kept, and the events that the store writes for them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.kit.aio import in_thread
from pushd.model.app import App
from pushd.model.build import BuildStatus
from pushd.model.dyno import DynoRole, DynoRow, Epoch
from pushd.model.release import ReleaseEvent
from pushd.model.user import User
from pushd.model.webhook import INCLUDES, PER_APP, Attempt, DeliveryStatus, Level, Secrets, Webhook
from pushd.store.store import Store
from pushd.store.webhook_events import KEPT
from tests.store.makes import NOBODY, files_of, make_live, make_slug


async def listen(store: Store, app: App, *include: str) -> Webhook:
    return await store.webhooks.create(
        app,
        url="https://hooks.example.com/t0ken",
        include=include or tuple(INCLUDES),
        level=Level.SYNC,
        secrets=Secrets("5ecret", "Bearer x"),
    )


async def told(store: Store, app: App) -> list[str]:
    return [f"{each.include} {each.action}" for each in await store.webhook_events.of(app)]


async def test_a_webhook_comes_back_as_it_was_given(store: Store, app: App) -> None:
    webhook = await listen(store, app, "api:release", "api:build")

    assert await store.webhooks.of(app) == [await store.webhooks.find(app, webhook.id)] == [webhook]
    assert (webhook.url, webhook.include) == ("https://hooks.example.com/t0ken", ("api:release", "api:build"))
    assert await store.webhooks.secrets(webhook) == Secrets("5ecret", "Bearer x")
    assert "5ecret" not in repr(await store.webhooks.secrets(webhook)) + repr(webhook)


async def test_nothing_of_its_secrets_lies_open_on_the_disk(store: Store, app: App, tmp_path: Path) -> None:
    await listen(store, app)

    content = b"".join(files_of(tmp_path).values())
    assert not [text for text in (b"5ecret", b"t0ken", b"Bearer x") if text in content]


async def test_ten_are_enough_for_an_app(store: Store, app: App) -> None:
    for _ in range(PER_APP):
        await listen(store, app)

    with pytest.raises(InvalidParams, match="only add 10"):
        await listen(store, app)


async def test_a_deploy_is_told_step_by_step(store: Store, operator: User, app: App) -> None:
    await listen(store, app, "api:release", "api:build")
    build = await store.builds.create(app, user=operator, commit="c" * 40, branch="main")
    slug = make_slug(app)
    release = await make_live(store, app, operator, slug)
    await store.builds.update(build, slug_id=slug.id)
    await store.builds.update(build, status=BuildStatus.SUCCEEDED, release_id=release.id)

    assert await told(store, app) == ["api:build create", "api:release create", "api:release update", "api:build update"]
    events = await store.webhook_events.of(app)
    assert [(each.data["status"], dict(each.previous_data)) for each in events] == [
        ("pending", {}),
        ("pending", {}),
        ("succeeded", {"status": "pending"}),
        ("succeeded", {"status": "pending"}),
    ]
    live, built = events[2].data, events[3].data
    assert (live["version"], live["current"], live["slug"]["commit"]) == (2, True, slug.commit)
    assert (live["app"], live["user"]) == (
        {"id": str(app.id), "name": "blog"},
        {"id": str(operator.id), "email": operator.email},
    )
    assert (built["release"], built["slug"]["id"]) == ({"id": str(release.id)}, str(slug.id))
    assert events[1].data["current"] is False
    assert live["created_at"] == release.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_all_else_is_told_too(store: Store, operator: User, app: App) -> None:
    await listen(store, app)
    await store.apps.rename(app, "blog-two")
    await store.apps.bump_restarts(app)
    await store.formation.set(app, {"web": 1})
    await store.formation.set(app, {"web": 2})
    await store.domains.add(app, "www.example.com", None)
    await store.domains.remove(app, "www.example.com")
    await store.collaborators.add(app, "ada@example.com", by=await store.users.operator())
    await store.collaborators.remove(app, "ada@example.com")
    row = DynoRow(
        id=uuid4(), app_id=app.id, name="web.1", type="web", role=DynoRole.FORMATION, command="serve",
        release_id=NOBODY, epoch=Epoch(1, 0), port=1,
        identity="", started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    await store.dynos.put(row)

    assert await told(store, app) == [
        "api:app update",
        "api:formation update",
        "api:domain create",
        "api:domain destroy",
        "api:collaborator create",
        "api:collaborator destroy",
        "api:dyno create",
    ]
    assert {each.actor_email for each in await store.webhook_events.of(app)} == {operator.email}
    assert dict((await store.webhook_events.of(app))[1].previous_data) == {"quantity": 1}


async def test_an_app_that_nobody_listens_to_tells_nothing(store: Store, operator: User, app: App) -> None:
    other = await store.apps.create("other", operator)
    await listen(store, other)
    await make_live(store, app, operator, make_slug(app))
    await listen(store, app, "api:dyno")
    await store.apps.set_maintenance(app, True)

    assert await told(store, app) == []
    assert await told(store, other) == []


async def test_a_change_that_is_not_stored_is_not_told(store: Store, operator: User, app: App) -> None:
    await store.apps.create("taken", operator)
    await listen(store, app)

    with pytest.raises(InvalidParams):
        await store.apps.rename(app, "taken")

    assert await told(store, app) == []


async def test_an_app_goes_with_all_that_was_told_of_it(store: Store, operator: User, app: App) -> None:
    await listen(store, app)
    await store.domains.add(app, "www.example.com", None)
    await store.collaborators.add(app, "ada@example.com", by=await store.users.operator())
    await make_live(store, app, operator, make_slug(app))

    await store.apps.delete(app)

    assert await told(store, app) == []
    assert await store.webhooks.of(app) == []


async def test_each_listener_has_a_delivery_of_its_own(store: Store, app: App) -> None:
    first, second = [await listen(store, app, "api:app") for _ in range(2)]
    await store.apps.set_maintenance(app, True)

    deliveries = await store.webhook_events.deliveries(app)
    assert {each.webhook_id for each in deliveries} == {first.id, second.id}
    assert len({each.id for each in deliveries}) == 2
    assert [each.id for each in await store.webhook_events.deliveries(app, "pending")] == [each.id for each in deliveries]
    assert await store.webhook_events.deliveries(app, "failed") == []


async def test_what_is_due_is_the_oldest_of_each_webhook_that_is_not_busy(store: Store, app: App) -> None:
    first, second = [await listen(store, app, "api:app") for _ in range(2)]
    await store.apps.set_maintenance(app, True)
    await store.apps.set_maintenance(app, False)
    events, now = store.webhook_events, datetime(2030, 1, 1, tzinfo=UTC)

    due = await events.due(now, busy={second.id})
    assert [(each.delivery.webhook_id, each.event.data["maintenance"], each.url) for each in due] == [
        (first.id, True, first.url)
    ]
    again_at = now + timedelta(seconds=9)
    attempt = Attempt(id=uuid4(), code=500, error=None, at=now)
    await events.record(due[0].delivery, attempt, DeliveryStatus.RETRYING, again_at)

    assert [each.event.data["maintenance"] for each in await events.due(now, busy={second.id})] == [False]
    later = (await events.due(now, busy={second.id}))[0]
    await events.record(later.delivery, attempt, DeliveryStatus.SUCCEEDED, None)
    assert await events.due(now, busy={second.id}) == []
    assert await events.next_due(busy={second.id}) == again_at
    assert (await events.find_delivery(app, str(due[0].delivery.id))).last_attempt == attempt


async def test_a_delivery_that_ends_while_the_store_is_read_is_not_due_once_more(store: Store, app: App) -> None:
    webhook = await listen(store, app, "api:app")
    await store.apps.set_maintenance(app, True)
    reading, go_on, busy = threading.Event(), threading.Event(), {webhook.id}

    def hold_up(connection: sqlite3.Connection) -> None:
        reading.set()
        assert go_on.wait(10)

    held = asyncio.ensure_future(store.database.read(hold_up))  # the reader's thread comes to `due` after this
    due = asyncio.ensure_future(store.webhook_events.due(datetime(2030, 1, 1, tzinfo=UTC), busy=busy))
    await in_thread(reading.wait)
    busy.clear()  # as when its delivery has just been recorded
    go_on.set()

    assert await due == []
    await held


async def test_only_the_newest_events_are_kept(store: Store, app: App) -> None:
    await listen(store, app, "api:app")
    await store.apps.set_maintenance(app, True)
    first = (await store.webhook_events.due(datetime(2030, 1, 1, tzinfo=UTC), busy=()))[0]
    for number in range(KEPT):
        await store.apps.set_maintenance(app, bool(number % 2))

    attempt = Attempt(id=uuid4(), code=200, error=None, at=datetime(2030, 1, 1, tzinfo=UTC))
    await store.webhook_events.record(first.delivery, attempt, DeliveryStatus.SUCCEEDED, None)

    assert len(await store.webhook_events.of(app)) == KEPT
    with pytest.raises(NotFound):
        await store.webhook_events.find_delivery(app, str(first.delivery.id))


@pytest.mark.parametrize("wrong", ["", "x", str(NOBODY)])
async def test_what_is_not_there_is_not_found(store: Store, app: App, wrong: str) -> None:
    for find in (store.webhooks.find, store.webhook_events.find, store.webhook_events.find_delivery, store.webhooks.remove):
        with pytest.raises(NotFound):
            await find(app, wrong)


async def test_a_failed_release_is_told_whoever_marks_it(store: Store, operator: User, app: App) -> None:
    await listen(store, app, "api:release")
    slug = await store.slugs.create(make_slug(app))
    release = await store.releases.create(
        app, slug_id=slug.id, process_types={}, config=None, description="Deploy", user=operator
    )
    await store.releases.move(release, ReleaseEvent.DID_NOT_COME_UP)

    assert (await store.webhook_events.of(app))[-1].data["status"] == "failed"
