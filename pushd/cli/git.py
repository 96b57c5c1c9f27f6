"""Git: remotes that lead to apps, the credential helper, and the hook that repositories elsewhere call."""

from __future__ import annotations

import sys

import click

from pushd.cli import render
from pushd.cli.options import discover, host_option, json_option, place
from pushd.client.gitconfig import GitTrouble
from pushd.client.server import app_url
from pushd.client.tokens import answer_git, why_no_answer


@click.command("git:remote")
@click.argument("name", metavar="[APP]", required=False)
@click.option("-a", "--app", metavar="APP", help="The app. [PUSHD_APP, this folder's git remote]")
@click.option("-r", "--remote", metavar="NAME", default="pushd", show_default=True, help="Name of the git remote.")
@host_option
@json_option
def remote(name: str | None, app: str | None, remote: str, host: str | None, as_json: bool) -> None:
    """Point a git remote of this folder at an app.

    A remote of that name is made, or changed. It is marked as ours, so that commands know this folder's app and server.

    \b
    Example:
        pushd git:remote --app myapp --remote myserver
    """
    where = discover(app=app or name, host=host)
    found = where.client.app(where.app)["name"]
    if not where.git.in_repository():
        raise GitTrouble("This folder is no git repository.", remedy="Run `git init`, then try again.")
    if where.server.startswith("unix:"):
        raise GitTrouble("git cannot push to a unix socket.", remedy="Let the API listen on host:port too.")
    where.git.point_remote(remote, where.server, found, where.maybe_ca())
    url = app_url(where.server, found)
    if as_json:
        return render.json({"remote": remote, "app": found, "url": url})
    render.out(f"set git remote {remote} to {url}")


@click.command("git:clone")
@click.argument("directory", metavar="[DIRECTORY]", required=False)
@click.option("-a", "--app", metavar="APP", help="The app. [PUSHD_APP]")
@click.option("-r", "--remote", metavar="NAME", default="pushd", show_default=True, help="Name of the git remote.")
@host_option
def clone(directory: str | None, app: str | None, remote: str, host: str | None) -> None:
    """Clone the repository of an app into a folder.

    Without DIRECTORY the folder is named like the app.

    \b
    Example:
        pushd git:clone --app myapp
    """
    where = discover(app=app, host=host)
    found = where.client.app(where.app)["name"]
    if where.server.startswith("unix:"):
        raise GitTrouble("git cannot clone from a unix socket.", remedy="Let the API listen on host:port too.")
    code = where.git.clone(remote, where.server, found, directory or found, where.maybe_ca())
    raise click.exceptions.Exit(code)


@click.command("git:credentials")
@click.argument("action", type=click.Choice(["get", "store", "erase"]))
def credentials(action: str) -> None:
    """Tell git the token of a pushd server.

    This is a credential helper: git calls it. It is silent for every host that is not a pushd server of yours; for one whose
    token it does not know it says how to log in.

    \b
    Example, as `pushd create` writes it:
        git config credential.http://127.0.0.1:5000.helper '!git pushd git:credentials'
    """
    question = sys.stdin.buffer.read()
    if action == "get":  # we keep no copy of what git tells us
        here = place()
        if answer := answer_git(question, here.environ, here.folder):
            sys.stdout.buffer.write(answer)
        elif why := why_no_answer(question, here.environ, here.folder):
            render.hint(why)


@click.command("hook", hidden=True)
@click.argument("kind", type=click.Choice(["pre-receive", "post-receive"]))
def hook(kind: str) -> None:
    """Hand a push that another git server received to the daemon; hooks/ of a bare repository calls this.

    \b
    Example:
        exec git pushd hook pre-receive
    """
    from pushd.cli.hook import hook as hand_over

    code = hand_over(kind, place().environ, sys.stdin, sys.stdout)
    raise click.exceptions.Exit(code)
