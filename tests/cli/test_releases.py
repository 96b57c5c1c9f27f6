"""Releases, rollback, builds, settings."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Cli
from tests.client.fake_api import MADE_AT, USER

DONE = {"id": "c1", "state": "succeeded", "release": 4, "reason": ""}


@pytest.fixture
def history(shop: Cli) -> Cli:
    """v1 initial, v2 and v3 deploys, v4 failed."""
    shop.api.add_release("shop", "Deploy 1a2b3c4")
    shop.api.add_release("shop", "Deploy 5d6e7f8")
    shop.api.add_release("shop", "Deploy 9a9b9c9", status="failed")
    return shop


def test_list(history: Cli) -> None:
    printed = history.ok("releases", "-n", "3")
    lines = printed.splitlines()

    assert lines[0] == "=== shop Releases - Current: v3"
    assert lines[2].split() == ["v", "description", "user", "created_at"]
    assert [line.split()[0] for line in lines[3:]] == ["v4", "v3", "v2"]
    assert "Deploy 9a9b9c9 failed " in lines[3]
    assert history.api.asked[-1].headers["range"] == "version ..; order=desc,max=3"
    assert [each["version"] for each in json.loads(history.ok("releases", "--json"))] == [4, 3, 2, 1]


def test_info(history: Cli) -> None:
    history.api.config["shop"] = {"A": "1"}
    printed = history.ok("releases:info", "v2")

    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert {"Change: Deploy 1a2b3c4", "Eligible for Rollback?: Yes", "A: 1"} <= set(rows)
    assert "Release v4" in history.ok("releases:info")
    assert json.loads(history.ok("releases:info", "2", "--json"))["config_vars"] == {"A": "1"}
    assert history.ok("releases:info", "v2", "-s") == "A=1\n"
    assert history("releases:info", "v99").code == 1


def test_output(history: Cli) -> None:
    assert "no output" in history("releases:output").err
    assert json.loads(history.ok("releases:output", "--json")) == {"output": None}
    history.api.releases["shop"][2]["output_stream_url"] = f"{history.api.url}/out/v3?sig=1"
    history.api.outputs["/out/v3"] = "migrating\nmigrated\n"
    assert history.ok("releases:output", "v3") == "migrating\nmigrated\n"
    assert json.loads(history.ok("releases:output", "v3", "--json")) == {"output": "migrating\nmigrated\n"}


def test_rollback_without_a_number_goes_before_the_current_one(history: Cli) -> None:
    history.api.changes = [DONE]
    ended = history("rollback")

    assert history.api.last("POST").body == {"release": history.api.releases["shop"][1]["id"]}
    assert "Rolling back shop to v2... done, v5" in ended.err
    assert ended.out == "Rolled back shop to v2, now at v5.\n"
    assert "To undo: pushd releases:rollback v3 --app shop" in ended.err  # v4 failed and never ran


@pytest.mark.parametrize("which", ["v2", "2"])
def test_rollback_to_a_number(history: Cli, which: str) -> None:
    history.api.changes = [DONE]
    assert json.loads(history.ok("releases:rollback", which, "--json"))["version"] == 5
    releases = "/apps/shop/releases"
    assert history.api.paths() == [f"GET {releases}", f"POST {releases}", f"GET /-/changes/{DONE['id']}"]


def test_rollback_that_does_not_come_up(history: Cli) -> None:
    history.api.changes = [DONE | {"state": "failed", "reason": ""}]
    ended = history("rollback", "v2")
    assert ended.code == 1
    assert "did not come up" in ended.err
    assert "The old ones serve on" in ended.err


def test_rollback_without_anything_before(shop: Cli) -> None:
    ended = shop("rollback")
    assert ended.code == 1
    assert "no earlier release" in ended.err


def add_build(shop: Cli, number: int, status: str) -> None:
    shop.api.builds.setdefault("shop", []).append({
        "id": f"b{number}", "status": status, "source_blob": {"version": f"{number}" * 40, "version_description": "master"},
        "output_stream_url": f"{shop.api.url}/out/b{number}", "release": None, "user": USER, "reason": "no Procfile",
        "created_at": MADE_AT.replace("05Z", f"{number:02}Z"), "updated_at": MADE_AT,
    })  # fmt: skip
    shop.api.outputs[f"/out/b{number}"] = f"-----> build {number}\n"


def test_builds(shop: Cli) -> None:
    assert "no builds" in shop("builds").err
    assert shop("builds:info").code == 1
    add_build(shop, 1, "succeeded")
    add_build(shop, 2, "failed")

    rows = [line.split()[:3] for line in shop.ok("builds").splitlines()[3:]]
    assert rows == [["b2", "22222222", "failed"], ["b1", "11111111", "succeeded"]]
    assert shop.ok("builds:output") == "-----> build 2\n"
    assert json.loads(shop.ok("builds:output", "--json")) == {"output": "-----> build 2\n"}
    assert shop.ok("builds:output", "b1") == "-----> build 1\n"
    assert "Status:  failed\n" in shop.ok("builds:info")
    assert "Reason:  no Procfile\n" in shop.ok("builds:info")
    assert json.loads(shop.ok("builds:info", "--json"))["id"] == "b2"
    assert len(json.loads(shop.ok("builds", "-n", "1", "--json"))) == 1


def test_settings(shop: Cli) -> None:
    assert "probe-path" in shop.ok("settings")
    assert shop.ok("settings:set", "probe-path=/up?x=1") == "probe-path: /up?x=1\n"
    assert {"name": "probe-path", "value": "/up?x=1"}.items() <= json.loads(shop.ok("settings", "--json"))[0].items()
    assert shop.ok("settings:unset", "probe-path") == "probe-path: /\n"
    assert shop.api.last("PATCH").body == {"probe-path": None}
    refused = shop("settings:set", "no-such=1")
    assert refused.code == 1
    assert "no-such" in refused.err


def test_a_release_phase_runs_again(history: Cli) -> None:
    history.api.set_formation("shop", web=1)
    assert "no release phase" in history("releases:retry").err
    history.api.set_formation("shop", web=1, release=0)
    history.api.changes = [DONE]
    ended = history("releases:retry")

    assert ended.code == 0, ended
    assert history.api.last("POST").body["description"] == "Retry of v4: Deploy 9a9b9c9"
    assert "Retrying v4 on shop... done, v5" in ended.err
