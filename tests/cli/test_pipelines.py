"""Pipelines and promotion, as commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pushd.cli.pipelines import guess
from tests.cli.conftest import Cli
from tests.client.fake_api import MADE_AT, Answer, Asked

PIPELINE = {"id": "p1", "name": "line", "created_at": MADE_AT}


class Line:
    """The fake server's pipeline: blog-staging in staging, blog in production; answers what the commands ask."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        apps = {name: cli.api.add_app(name) for name in ("blog-staging", "blog")}
        self.couplings = [
            {"id": f"c-{name}", "app": {"id": apps[name]["id"]}, "pipeline": PIPELINE, "stage": stage}
            for name, stage in (("blog-staging", "staging"), ("blog", "production"))
        ]
        self.apps = list(apps.values())
        self.targets: list[list[dict[str, Any]]] = []  # answers to come, the last one repeated
        cli.api.before = self.answer

    def target(self, status: str, error: str | None = None, release: str | None = None) -> dict[str, Any]:
        return {
            "id": "t", "app": {"id": self.apps[1]["id"]}, "status": status, "error_message": error,
            "release": {"id": release} if release else None,
        }  # fmt: skip

    def answer(self, asked: Asked) -> Answer | None:
        match f"{asked.method} {asked.path}":
            case "GET /pipelines":
                return 200, [PIPELINE]
            case "POST /pipelines":
                return 201, {**PIPELINE, **asked.body}
            case "GET /pipelines/line" | "PATCH /pipelines/line" | "DELETE /pipelines/line":
                return 200, {**PIPELINE, **(asked.body or {})}
            case "GET /pipelines/p1/pipeline-couplings":
                return 200, self.couplings
            case "POST /filters/apps":
                return 200, [app for app in self.apps if app["id"] in asked.body["in"]["id"]]
            case "POST /pipeline-couplings":
                return 201, {"id": "new", **asked.body}
            case "GET /apps/blog-staging/pipeline-couplings":
                return 200, self.couplings[0]
            case "GET /apps/blog/pipeline-couplings":
                return 200, self.couplings[1]
            case "GET /apps/alone/pipeline-couplings":
                return 404, {"id": "not_found", "message": "Couldn't find that coupling.", "resource": "pipeline_coupling"}
            case "PATCH /pipeline-couplings/c-blog" | "DELETE /pipeline-couplings/c-blog":
                return 200, {**self.couplings[1], **(asked.body or {})}
            case "POST /pipeline-promotions":
                return 201, {"id": "pr"}
            case "GET /pipeline-promotions/pr/promotion-targets":
                return 200, self.targets.pop(0) if len(self.targets) > 1 else self.targets[0]
        return None


@pytest.fixture
def line(cli: Cli) -> Line:
    return Line(cli)


def test_pipelines_are_listed_and_shown(line: Line) -> None:
    assert line.cli.ok("pipelines") == "=== My Pipelines\n\nline\n"
    shown = line.cli.ok("pipelines:info", "line")
    assert shown == "=== line\n\nApp name      Stage\nblog-staging  staging\nblog          production\n"
    data = json.loads(line.cli.ok("pipelines:info", "line", "--json"))
    assert [(each["name"], each["stage"]) for each in data["apps"]] == [("blog", "production"), ("blog-staging", "staging")]


def test_a_pipeline_is_made_of_what_the_apps_name_says(line: Line) -> None:
    ended = line.cli("pipelines:create", "--app", "blog-staging")

    assert ended.err == "Creating blog pipeline... done\nAdding blog-staging to blog pipeline as staging... done\n"
    assert line.cli.api.last("POST").body == {"app": "blog-staging", "pipeline": "p1", "stage": "staging"}
    line.cli.ok("pipelines:create", "other", "--app", "blog", "-s", "review")
    assert [each.body for each in line.cli.api.asked if each.path == "/pipelines"][-1] == {"name": "other"}


def test_apps_are_added_moved_and_removed(line: Line) -> None:
    assert line.cli("pipelines:add", "line", "-a", "blog").err == "Adding blog to line pipeline as production... done\n"
    assert line.cli("pipelines:update", "-a", "blog", "-s", "staging").err == "Changing blog to staging... done\n"
    assert line.cli("pipelines:remove", "-a", "blog").err == "Removing blog... done\n"
    ended = line.cli("pipelines:remove", "-a", "alone")
    assert (ended.code, "alone is in no pipeline." in ended.err) == (1, True)


def test_rename_and_destroy(line: Line) -> None:
    assert line.cli("pipelines:rename", "line", "new").err == "Renaming line pipeline to new... done\n"
    assert line.cli("pipelines:destroy", "line").err == "Destroying line pipeline... done\n"


def test_promote_goes_to_the_next_stage_and_waits(line: Line) -> None:
    line.targets = [[line.target("succeeded")]]

    ended = line.cli("pipelines:promote", "--app", "blog-staging")

    assert (ended.code, ended.out) == (0, "Promotion successful\nblog: succeeded\n")
    assert line.cli.api.last("POST").body["targets"] == [{"app": {"id": line.apps[1]["id"]}}]


def test_promote_shows_the_release_phase_and_why_it_failed(line: Line) -> None:
    release = line.cli.api.add_release("blog", "Promote")
    release["output_stream_url"] = f"{line.cli.api.url}/output"
    line.cli.api.outputs["/output"] = "migrating\n"
    line.targets = [[line.target("pending", release=release["id"])], [line.target("failed", "it broke", release["id"])]]

    ended = line.cli("pipelines:promote", "--app", "blog-staging", "--to", "blog,")

    assert (ended.code, ended.out) == (1, "Promotion to some apps failed\nblog: failed: it broke\n")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--app", "blog"), "nothing comes behind it"),
        (("--app", "blog-staging", "--to", "none"), "Cannot find app none"),
        (("--app", "blog-staging", "--to", ","), "--to names no app"),
        (("--app", "alone"), "alone is in no pipeline"),
    ],
)
def test_what_cannot_be_promoted(line: Line, args: tuple[str, ...], told: str) -> None:
    ended = line.cli("pipelines:promote", *args)

    assert (ended.code, told in ended.err) == (1, True)
    assert "POST /pipeline-promotions" not in line.cli.api.paths()


def test_promote_needs_apps_behind(line: Line) -> None:
    line.couplings.pop()

    assert "there are no apps in production stage" in line.cli("pipelines:promote", "--app", "blog-staging").err


@pytest.mark.parametrize(
    ("app", "name", "stage"),
    [
        ("blog-staging", "blog", "staging"),
        ("blog-qa", "blog", "development"),
        ("blog-prod", "blog", "production"),
        ("blog", "blog", "production"),
        ("staging-blog", "staging-blog", "production"),
    ],
)
def test_what_a_name_says(app: str, name: str, stage: str) -> None:
    assert guess(app) == (name, stage)
