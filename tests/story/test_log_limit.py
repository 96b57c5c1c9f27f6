"""The setting log-limit-mb reaches the log when it is set, when it is unset, and when the daemon starts."""

from __future__ import annotations

from pushd.model.app import App
from tests.story.conftest import Story


async def test_the_setting_bounds_the_log(story: Story, app: App) -> None:
    await story.apps.set_settings(app, {"log-limit-mb": "2"}, story.user)
    assert story.log.limits == {app.id: 2 << 20}
    story.log.limits.clear()
    await story.apps.limit_logs()
    assert story.log.limits == {app.id: 2 << 20}
    await story.apps.set_settings(app, {"log-limit-mb": None}, story.user)
    assert story.log.limits == {app.id: 64 << 20}
