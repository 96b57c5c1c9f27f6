"""Pipelines: apps in stages."""

from __future__ import annotations

import re

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app, on_server
from pushd.client.client import Client

STAGES = ("development", "review", "staging", "production")  # in the order in which they are shown
# The end of an app's name tells its stage, as in the Heroku CLI.
_ENDINGS = {
    "development": re.compile(r"-(dev|development|uat|tst|test|qa)$"),
    "staging": re.compile(r"-(stg|staging)$"),
    "production": re.compile(r"-(prd|prod|production|admin|demo)$"),
}
_STAGE_HELP = "test, review, development, staging or production. [what the app's name says]"


@click.command("pipelines")
@on_server
@json_option
def list_pipelines(client: Client, as_json: bool) -> None:
    """List the pipelines that you may see.

    \b
    Example:
        pushd pipelines
    """
    found = client.pipelines.all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint("You have no pipelines. Make one: pushd pipelines:create --app APP")
    render.heading("My Pipelines")
    for each in found:
        render.out(each["name"])


@click.command("pipelines:create")
@click.argument("name", required=False)
@click.option("-s", "--stage", metavar="STAGE", help=_STAGE_HELP)
@on_app
@json_option
def create(here: Here, name: str | None, stage: str | None, as_json: bool) -> None:
    """Make a pipeline with a first app.

    Without NAME it is called like the app, without what the name says of its stage.

    \b
    Example:
        pushd pipelines:create myapp --app myapp-staging --stage staging
    """
    guessed_name, guessed_stage = guess(here.app)
    wanted, stage = name or guessed_name, stage or guessed_stage
    with render.doing(f"Creating {wanted} pipeline"):
        pipeline = here.client.pipelines.create({"name": wanted})
    with render.doing(f"Adding {here.app} to {wanted} pipeline as {stage}"):
        coupling = here.client.couplings.create({"app": here.app, "pipeline": pipeline["id"], "stage": stage})
    if as_json:
        render.json({"pipeline": pipeline, "coupling": coupling})


@click.command("pipelines:add")
@click.argument("pipeline")
@click.option("-s", "--stage", metavar="STAGE", help=_STAGE_HELP)
@on_app
@json_option
def add(here: Here, pipeline: str, stage: str | None, as_json: bool) -> None:
    """Put an app into a pipeline.

    \b
    Example:
        pushd pipelines:add mypipeline --app myapp --stage production
    """
    stage = stage or guess(here.app)[1]
    with render.doing(f"Adding {here.app} to {pipeline} pipeline as {stage}"):
        coupling = here.client.couplings.create({"app": here.app, "pipeline": pipeline, "stage": stage})
    if as_json:
        render.json(coupling)


@click.command("pipelines:remove")
@on_app
@json_option
def remove(here: Here, as_json: bool) -> None:
    """Take an app out of its pipeline.

    \b
    Example:
        pushd pipelines:remove --app myapp
    """
    with render.doing(f"Removing {here.app}"):
        coupling = here.client.couplings.remove(here.client.coupling(here.app)["id"])
    if as_json:
        render.json(coupling)


@click.command("pipelines:update")
@click.option("-s", "--stage", metavar="STAGE", required=True, help="test, review, development, staging or production.")
@on_app
@json_option
def update(here: Here, stage: str, as_json: bool) -> None:
    """Move an app to another stage of its pipeline.

    \b
    Example:
        pushd pipelines:update --app myapp --stage production
    """
    with render.doing(f"Changing {here.app} to {stage}"):
        coupling = here.client.couplings.update(here.client.coupling(here.app)["id"], {"stage": stage})
    if as_json:
        render.json(coupling)


@click.command("pipelines:info")
@click.argument("pipeline")
@on_server
@json_option
def info(client: Client, pipeline: str, as_json: bool) -> None:
    """Show the apps of a pipeline and their stages.

    \b
    Example:
        pushd pipelines:info mypipeline
    """
    found = client.pipelines.find(pipeline)
    apps = client.pipeline_apps(found["id"])
    if as_json:
        return render.json({"pipeline": found, "apps": [{**each.app, "stage": each.stage} for each in apps]})
    render.heading(found["name"])
    order = {stage: number for number, stage in enumerate(STAGES)}
    rows = sorted(apps, key=lambda each: order.get(each.stage, -1))
    render.table(("App name", "Stage"), [(each.app["name"], each.stage) for each in rows])


@click.command("pipelines:rename")
@click.argument("pipeline")
@click.argument("name")
@on_server
@json_option
def rename(client: Client, pipeline: str, name: str, as_json: bool) -> None:
    """Give a pipeline another name.

    \b
    Example:
        pushd pipelines:rename mypipeline newname
    """
    with render.doing(f"Renaming {pipeline} pipeline to {name}"):
        renamed = client.pipelines.update(pipeline, {"name": name})
    if as_json:
        render.json(renamed)


@click.command("pipelines:destroy")
@click.argument("pipeline")
@on_server
@json_option
def destroy(client: Client, pipeline: str, as_json: bool) -> None:
    """Destroy a pipeline; its apps stay.

    \b
    Example:
        pushd pipelines:destroy mypipeline
    """
    with render.doing(f"Destroying {pipeline} pipeline"):
        destroyed = client.pipelines.remove(pipeline)
    if as_json:
        render.json(destroyed)


def guess(app: str) -> tuple[str, str]:
    """What an app's name says: "blog-staging" -> ("blog", "staging"); else ("blog", "production")."""
    for stage, ending in _ENDINGS.items():
        if ending.search(app):
            return ending.sub("", app), stage
    return app, "production"
