"""Apps: list, make, look at, rename, open, destroy."""

from __future__ import annotations

import sys

import click

from pushd.cli import app_info, render
from pushd.cli.confirming import confirm_app, confirm_option
from pushd.cli.options import Here, app_options, discover, host_option, json_option, on_app, on_server
from pushd.client.client import Client
from pushd.client.discovery import Discovery
from pushd.client.gitconfig import Git, Remote
from pushd.client.server import app_url


@click.command("apps")
@click.option("-A", "--all", "everything", is_flag=True, help="Every app of the server that you may see.")
@click.option("-p", "--personal", is_flag=True, expose_value=False, help="Yours; there are no teams here.")
@on_server
@json_option
def list_apps(client: Client, everything: bool, as_json: bool) -> None:
    """List your apps, and those that you collaborate on.

    \b
    Example:
        pushd apps
    """
    apps = sorted(client.apps() if everything else client.own_apps(), key=lambda app: app["name"])
    if as_json:
        return render.json(apps)
    if not apps:
        return render.hint("You have no apps. Make one with `pushd create`.")
    email = client.account()["email"]
    own = [app for app in apps if app["owner"]["email"] == email]
    others = [app for app in apps if app["owner"]["email"] != email]
    if own:
        render.heading(f"{email} Apps")
        for app in own:
            render.out(app["name"] + (" (maintenance)" if app["maintenance"] else ""))
    if others:
        if own:
            render.out("")
        render.heading("Collaborated Apps")
        render.table(["Name", "Email"], [(app["name"], app["owner"]["email"]) for app in others])


@click.command("apps:create")
@click.argument("name", required=False)
@click.option("-r", "--remote", metavar="NAME", default="pushd", show_default=True, help="Name of the git remote to make.")
@click.option("-n", "--no-remote", is_flag=True, help="Make no git remote.")
@click.option("-b", "--buildpack", metavar="URL", help="The buildpack to build it with; without, it is detected.")
@click.option("--region", metavar="REGION", help="Where it runs; there is one region.")
@click.option("-s", "--stack", metavar="STACK", help="The stack it runs on; there is one.")
@click.option("-a", "--app", metavar="APP", hidden=True, help="Its name.")
@host_option
@json_option
def create(
    name: str | None,
    remote: str,
    no_remote: bool,
    buildpack: str | None,
    region: str | None,
    stack: str | None,
    app: str | None,
    host: str | None,
    as_json: bool,
) -> None:
    """Make an app, and a git remote that leads to it.

    Without NAME one is made up. Outside of a git repository no remote is made.

    \b
    Examples:
        pushd create
        pushd create myapp --remote myserver --buildpack heroku/python
    """
    where = discover(host=host)
    with render.doing("Creating app") as step:
        made = where.client.create_app(name or app, region=region, stack=stack)
        step.note = made["name"]
    if not no_remote:
        _add_remote(where, remote, made["name"])
    if buildpack:
        with render.doing(f"Setting buildpack to {render.printable(buildpack)}"):
            where.client.set_buildpacks(made["id"], [buildpack])
    if as_json:
        return render.json(made)
    render.out(f"{made['web_url'] or ''} | {app_url(where.server, made['name'])}")


@click.command("apps:info")
@click.argument("name", metavar="[APP]", required=False)
@click.option("-s", "--shell", is_flag=True, help="Print lines that a shell can read.")
@click.option("-x", "--extended", is_flag=True, expose_value=False, hidden=True, help="Changes nothing.")
@app_options
@json_option
def info(name: str | None, shell: bool, app: str | None, remote: str | None, host: str | None, as_json: bool) -> None:
    """Show an app.

    Its URLs, owner, dynos and sizes.

    \b
    Example:
        pushd info --app myapp
    """
    where = discover(app=name or app, remote=remote, host=host)
    found = where.client.app(where.app)
    if as_json:
        return render.json(app_info.as_json(where.client, found))
    if shell:
        return app_info.print_shell(where.client, found)
    render.heading(found["name"])
    render.pairs(app_info.rows(where.client, found, git_url=app_url(where.server, found["name"])))


@click.command("apps:destroy")
@click.argument("name", metavar="[APP]", required=False)
@confirm_option("-c")
@app_options
@json_option
def destroy(
    name: str | None, app: str | None, remote: str | None, confirm: str | None, host: str | None, as_json: bool
) -> None:
    """Destroy an app and all that belongs to it.

    Its config vars, releases, logs and files are gone for good, and so are its git remotes in this folder.

    \b
    Example:
        pushd apps:destroy --app myapp --confirm myapp
    """
    where = discover(app=name or app, remote=remote, host=host)
    found = where.client.app(where.app)
    warning = f"This will destroy {found['name']} with its config vars, releases, logs and files."
    confirm_app(found["name"], confirm, warning)
    with render.doing(f"Destroying {found['name']} and all that belongs to it"):
        destroyed = where.client.destroy_app(found["id"])
    for each in _remotes_of(where, found["name"]):
        where.git.remove_remote(each.name)
        render.hint(f"Git remote {each.name} removed")
    if as_json:
        render.json(destroyed)


@click.command("apps:rename")
@click.argument("name", metavar="NEW_NAME")
@on_app
@json_option
def rename(here: Here, name: str, as_json: bool) -> None:
    """Give an app another name.

    Its git remotes in this folder get the new URL.

    \b
    Example:
        pushd apps:rename shop --app brisk-fjord-48213
    """
    old = here.client.app(here.app)["name"]
    with render.doing(f"Renaming {old} to {name}"):
        renamed = here.client.rename_app(here.app, name)
    where = discover(host=here.client.server)
    for each in _remotes_of(where, old):
        where.git.rename_in_remote(each, renamed["name"])
        render.hint(f"Git remote {each.name} updated")
    if as_json:
        return render.json(renamed)
    render.out(f"{renamed['web_url'] or ''} | {app_url(here.client.server, renamed['name'])}")


@click.command("apps:open")
@click.argument("path", default="")
@on_app
@json_option
def open_app(here: Here, path: str, as_json: bool) -> None:
    """Open an app in the web browser.

    Its URL is printed too; in a pipe it is only printed.

    \b
    Example:
        pushd open /about
    """
    url = (here.client.app(here.app)["web_url"] or "").rstrip("/") + "/" + path.lstrip("/")
    if as_json:
        return render.json({"url": url})
    render.out(url)
    if sys.stdout.isatty():
        import webbrowser

        webbrowser.open(url)


def _remotes_of(where: Discovery, app: str) -> list[Remote]:
    return [each for each in where.git.remotes([where.server]) if (each.server, each.app) == (where.server, app)]


def _add_remote(where: Discovery, remote: str, app: str) -> None:
    """Make the git remote, unless this is no repository or the name leads elsewhere already: then say so."""
    git: Git = where.git
    if where.server.startswith("unix:") or not git.in_repository():
        return
    existing = next((each for each in git.remotes([where.server]) if each.name == remote), None)
    if existing and (existing.server, existing.app) != (where.server, app):
        render.warn(f"The git remote {remote} is there already and was left as it is: {existing.url}")
        render.hint(f"To make one: pushd git:remote --app {app} --remote ANOTHER_NAME")
        return
    git.point_remote(remote, where.server, app, where.maybe_ca())
    branch = git.maybe_branch()
    deploys = branch if branch in ("main", "master") else "master"
    render.hint(f"Git remote {remote} added. To deploy: git push {remote} {deploys}")
