"""How many apps a user may own."""

from __future__ import annotations

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
