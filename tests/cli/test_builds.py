"""Builds without git push, and buildpacks."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from tests.cli.conftest import Cli
from tests.client.fake_api import Answer, Asked


@pytest.fixture
def building(shop: Cli) -> Cli:
    """A server whose builds say one line, and succeed once they are asked about."""

    def ends(asked: Asked) -> Answer | None:
        if asked.method == "GET" and "/builds/" in asked.path:
            shop.api.builds["shop"][0]["status"] = "succeeded"
        return None

    shop.api.outputs["/out/build"] = "-----> Building\n"
    shop.api.before = ends
    return shop


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def test_a_folder_is_sent_without_what_git_ignores(building: Cli) -> None:
    building.repository()
    for name, text in {".gitignore": "*.log\n", "app.py": "1\n", "big.log": "x\n", "lib/new.py": "2\n"}.items():
        (building.folder / name).parent.mkdir(exist_ok=True)
        (building.folder / name).write_text(text)
    building.git("add", "app.py")
    building.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    (building.folder / "link").symlink_to("app.py")

    printed = building.ok("builds:create")

    assert printed == "-----> Building\n"
    assert names_in(building.api.uploaded) == [".gitignore", "app.py", "lib/new.py", "link"]
    blob = building.api.last("POST").body["source_blob"]
    assert blob == {"url": f"{building.api.url}/down", "version": building.git("rev-parse", "HEAD").strip()}


def test_a_folder_that_is_no_repository_is_sent_too(building: Cli) -> None:
    (building.folder / ".gitignore").write_text("secret\n")
    (building.folder / "secret").write_text("x")
    (building.folder / "app.py").write_text("1\n")

    build = json.loads(building.ok("builds:create", "--version", "v2", "--json"))

    assert names_in(building.api.uploaded) == [".gitignore", "app.py"]
    assert (build["status"], build["source_blob"]["version"]) == ("succeeded", "v2")


def test_an_archive_and_an_address(building: Cli) -> None:
    (building.folder / "app.tgz").write_bytes(b"an archive")
    building.ok("builds:create", "--source-tar", "app.tgz")
    assert building.api.uploaded == b"an archive"
    building.ok("builds:create", "--source-url", "https://example.com/app.tgz")
    assert building.api.last("POST").body == {"source_blob": {"url": "https://example.com/app.tgz"}}

    assert building("builds:create", "--source-tar", "a", "--source-url", "b").code == 2
    assert "Cannot read none.tgz" in building("builds:create", "--source-tar", "none.tgz").err
    assert "no folder" in building("builds:create", "nowhere").err


def test_a_build_that_fails_gives_exit_code_1(shop: Cli) -> None:
    shop.api.outputs["/out/build"] = " !     no\n"
    shop.api.before = lambda asked: (
        shop.api.builds["shop"][0].update(status="failed", reason="pip said no") if asked.path.count("/") == 4 else None
    )
    ended = shop("builds:create", "--source-url", "https://example.com/app.tgz")

    assert ended.code == 1
    assert "pip said no" in ended.err
    assert "builds:output" in ended.err


def test_the_newest_build_under_way_is_cancelled(building: Cli) -> None:
    assert "no build under way" in building("builds:cancel").err
    building.api.before = lambda asked: None
    building("builds:create", "--source-url", "https://example.com/app.tgz")

    assert json.loads(building.ok("builds:cancel", "--json"))["reason"] == "cancelled"


def test_buildpacks_are_listed_added_set_and_removed(shop: Cli) -> None:
    assert "has no buildpacks" in shop("buildpacks").err
    assert shop.ok("buildpacks:set", "heroku/python") == "Buildpack set. Next release on shop will use heroku/python.\n"
    apt = "https://github.com/heroku/heroku-buildpack-apt"
    added = shop.ok("buildpacks:add", "-i", "1", apt)
    assert added == f"Buildpack added. Next release on shop will use:\n  1. {apt}\n  2. heroku/python\n"
    assert shop.ok("buildpacks") == f"=== shop Buildpacks\n\n1. {apt}\n2. heroku/python\n"
    assert [each["ordinal"] for each in json.loads(shop.ok("buildpacks", "--json"))] == [0, 1]

    assert shop("buildpacks:remove", "heroku/ruby").code == 1
    assert shop("buildpacks:remove", "-i", "3").code == 1
    assert shop("buildpacks:remove").code == 2
    assert "will use heroku/python" in shop.ok("buildpacks:remove", "-i", "1")
    assert shop.ok("buildpacks") == "=== shop Buildpack\n\nheroku/python\n"
    assert shop.ok("buildpacks:remove", "heroku/python") == (
        "Buildpack removed. Next release on shop will detect buildpacks normally.\n"
    )
    shop.api.config["shop"] = {"BUILDPACK_URL": "heroku/python"}
    cleared = shop("buildpacks:clear")
    assert cleared.out == "Buildpacks cleared. Next release on shop will detect buildpacks normally.\n"
    assert "BUILDPACK_URL" in cleared.err
