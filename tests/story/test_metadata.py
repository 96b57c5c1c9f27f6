"""What dynos are told about themselves."""

from __future__ import annotations

import pytest

from pushd.model.app import App
from pushd.releaser.releaser import Releaser
from tests.story.conftest import Story

METADATA = {
    "HEROKU_APP_ID", "HEROKU_APP_NAME", "HEROKU_APP_DEFAULT_DOMAIN_NAME", "HEROKU_RELEASE_VERSION", "HEROKU_RELEASE_CREATED_AT",
    "HEROKU_SLUG_COMMIT", "HEROKU_SLUG_DESCRIPTION",
}  # fmt: skip


@pytest.mark.parametrize(("switch", "told"), [("on", METADATA), ("off", set())])
async def test_dyno_metadata_is_a_switch_of_the_app(story: Story, app: App, switch: str, told: set[str]) -> None:
    await story.store.settings.set(app, {"runtime-dyno-metadata": switch})
    release = await story.push(app, "1" * 40)

    launch = await Releaser(story.store, domain="localhost").launch_of(app, release)

    assert {name for name in launch.environ if name.startswith("HEROKU_")} == told
