"""Buildpacks: listed, added, set, removed; and what the registry says of short names."""

from __future__ import annotations

from tests.heroku.harness import Heroku

APT = "https://github.com/heroku/heroku-buildpack-apt"


def test_the_list_is_changed_one_by_one(heroku: Heroku, app: str) -> None:
    assert "has no Buildpacks" in heroku("buildpacks", "-a", app)
    assert "will use heroku/python" in heroku("buildpacks:set", "heroku/python", "-a", app)
    assert "1. " in heroku("buildpacks:add", "-i", "1", APT, "-a", app)
    urls = [each["buildpack"]["url"] for each in heroku.json("buildpacks", "-a", app)]
    assert urls == [APT, "heroku/python"]
    stored = [each["buildpack"]["url"] for each in heroku.call(f"/apps/{app}/buildpack-installations")]
    assert stored == [APT, "urn:buildpack:heroku/python"]
    assert "already set" in heroku.fails("buildpacks:add", "heroku/python", "-a", app).output
    assert "will use heroku/python" in heroku("buildpacks:remove", APT, "-a", app)
    assert "detect buildpacks normally" in heroku("buildpacks:clear", "-a", app)
    assert heroku.call(f"/apps/{app}/buildpack-installations") == []


def test_a_name_that_the_server_does_not_have_is_refused(heroku: Heroku, app: str) -> None:
    refused = heroku.fails("buildpacks:set", "heroku/fortran", "-a", app).stderr
    assert "not in the buildpack registry" in refused
    assert "Cannot use the buildpack" in heroku.fails("buildpacks:set", "ssh://git@example.com/x", "-a", app).stderr
    assert heroku.call(f"/apps/{app}/buildpack-installations") == []


def test_an_app_is_created_with_a_buildpack(heroku: Heroku) -> None:
    heroku("create", "with-pack", "-b", "heroku/python", "--no-remote")

    stored = heroku.call("/apps/with-pack/buildpack-installations")
    heroku("apps:destroy", "-a", "with-pack", "--confirm", "with-pack")
    assert [each["buildpack"]["name"] for each in stored] == ["heroku/python"]
