"""Pipelines: apps in stages, and a promotion that changes the page without a build."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku, fresh_name


@pytest.fixture
def pipeline(heroku: Heroku) -> Iterator[str]:
    """A name that is free, and is so again afterwards."""
    name = f"line-{fresh_name()[-8:]}"
    yield name
    heroku.server.call("DELETE", f"/pipelines/{name}")


def test_a_pipeline_from_its_making_to_its_end(heroku: Heroku, app: str, site: Live, pipeline: str) -> None:
    heroku("pipelines:create", pipeline, "-a", app, "-s", "development")
    try:
        assert pipeline in heroku("pipelines").split()
        assert pipeline in {each["name"] for each in heroku.json("pipelines")}
        heroku("pipelines:add", pipeline, "-a", "site", "-s", "staging")
        shown = heroku("pipelines:info", pipeline)
        assert [line.split() for line in shown.splitlines() if app in line or "site" in line.split()] == [
            [app, "development"],
            ["site", "staging"],
        ]
        assert "admin@localhost" in shown
        assert pipeline in heroku("apps:info", "-a", app)
        heroku("pipelines:update", "-a", "site", "-s", "production")
        assert heroku.call("/apps/site/pipeline-couplings")["stage"] == "production"
        assert "already in the pipeline" in heroku.fails("pipelines:add", pipeline, "-a", app, "-s", "staging").stderr
        heroku("pipelines:rename", pipeline, f"{pipeline}-x")
        heroku("pipelines:remove", "-a", "site")
        assert heroku.server.call("GET", "/apps/site/pipeline-couplings")[0] == 404
        heroku("pipelines:destroy", f"{pipeline}-x")
        assert heroku.server.call("GET", f"/pipelines/{pipeline}-x")[0] == 404
    finally:
        _, coupling = heroku.server.call("GET", "/apps/site/pipeline-couplings")
        if "stage" in coupling:
            heroku.server.call("DELETE", f"/pipeline-couplings/{coupling['id']}")


def test_promote(heroku: Heroku, live: Live, app: str, pipeline: str) -> None:
    heroku("pipelines:create", pipeline, "-a", live.name, "-s", "staging")
    assert "no downstream apps" in heroku.fails("pipelines:promote", "-a", live.name).output
    heroku("pipelines:add", pipeline, "-a", app, "-s", "production")
    heroku("config:set", "GREETING=production", "-a", app)

    printed = heroku("pipelines:promote", "-a", live.name)

    assert "Promotion successful" in printed
    assert "succeeded" in printed
    assert heroku.server.get(app, "/").body.startswith("version one")
    assert heroku.server.get(app, "/env/GREETING").body == "production"
    assert heroku("releases", "-a", app).splitlines()[0].endswith("Current: v3")
    assert f"Promote {live.name} v3" in heroku("releases", "-a", app, "--json")
    assert heroku.call(f"/apps/{app}/builds") == []
