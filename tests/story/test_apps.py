"""How many apps a user may own, and what is left of those that are gone."""

from __future__ import annotations

from uuid import UUID

import pytest

from pushd.errors import Conflict
from tests.story.conftest import APPS_PER_USER, Story


async def test_a_plain_user_may_own_so_many_apps_and_an_admin_any_number(story: Story) -> None:
    account, _ = await story.store.accounts.add("ada@example.com", is_admin=False, by=story.user)
    for number in range(APPS_PER_USER):
        await story.apps.create(f"hers-{number}", account.user)
        await story.apps.create(f"of-operator-{number}", story.user)
    with pytest.raises(Conflict, match=f"a user of this server may have {APPS_PER_USER}"):
        await story.apps.create("one-more", account.user)
    await story.apps.create("one-more", story.user)

    admin = await story.store.accounts.set_admin(account.user, True, by=story.user)
    await story.apps.create("another", admin.user)


async def test_what_cannot_be_removed_of_one_app_keeps_neither_the_others_nor_the_daemon(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    gone = [UUID(int=number) for number in (1, 2, 3)]
    for app_id in gone:
        story.layout.storage(app_id).mkdir()
    story.builder.stubborn = gone[1]

    await story.apps.sweep()  # as at the daemon's start

    assert [story.layout.storage(app_id).exists() for app_id in gone] == [False, True, False]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "cannot remove what a destroyed app left"
    assert record.app == gone[1]  # type: ignore[attr-defined]
