"""The commands that people may run over SSH: `python -m pushd.cli.over_ssh 8`, which the daemon starts for them; words come by
descriptor 8.

They are the client's own, named one by one. Left out are those that read files, start programs or leave something where the
client runs, for that is the server here, and those of the account: a key opens apps alone.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from pushd.cli import commands
from pushd.cli.main import Commands, run
from pushd.errors import PushdError
from pushd.kit.handed import read_words
from pushd.surroundings import process_environ

SERVED = frozenset(
    {
        "apps", "apps:create", "apps:info", "apps:destroy", "apps:rename", "maintenance", "maintenance:on", "maintenance:off",
        "domains", "domains:add", "domains:info", "domains:update", "domains:wait", "domains:remove", "domains:clear",
        "certs", "certs:info", "certs:remove", "certs:auto", "certs:auto:enable", "certs:auto:disable", "certs:auto:refresh",
        "config", "config:get", "config:set", "config:unset", "settings", "settings:set", "settings:unset",
        "resources", "resources:set", "resources:unset",
        "ps", "ps:scale", "ps:type", "ps:restart", "ps:stop", "ps:wait", "run", "run:inside", "run:detached", "logs",
        "drains", "drains:add", "drains:remove",
        "releases", "releases:info", "releases:output", "releases:rollback", "releases:retry",
        "builds", "builds:info", "builds:output", "builds:cancel",
        "buildpacks", "buildpacks:add", "buildpacks:set", "buildpacks:remove", "buildpacks:clear",
        "pipelines", "pipelines:create", "pipelines:add", "pipelines:remove", "pipelines:update", "pipelines:info",
        "pipelines:rename", "pipelines:destroy", "pipelines:promote",
        "webhooks", "webhooks:add", "webhooks:info", "webhooks:update", "webhooks:remove", "webhooks:deliveries",
        "webhooks:deliveries:info", "webhooks:events", "webhooks:events:info",
        "access", "access:add", "access:remove", "audit", "auth:whoami",
        "features", "features:info", "features:enable", "features:disable", "labs",
        "apps:stacks", "apps:stacks:set", "regions", "addons", "version", "help",
    }
)  # fmt: skip
ELSEWHERE = frozenset(
    {
        "apps:open", "git:remote", "git:clone", "certs:add", "certs:update", "certs:generate", "config:edit", "builds:create",
        "auth:login", "auth:logout", "auth:token", "auth:password", "users", "users:add", "users:admin", "users:invite",
        "users:remove", "authorizations", "authorizations:create", "authorizations:info",
        "authorizations:update", "authorizations:rotate", "authorizations:revoke", "keys", "keys:add", "keys:remove",
        "keys:clear", "serve", "install-service", "uninstall-service", "df", "secret-key:rotate", "demo", "drill", "shell-init",
        "heroku-env", "git:credentials",
    }
)  # fmt: skip


_TOPICS = {
    topic: served
    for topic, members in commands.TOPICS.items()
    if (served := {name: where for name, where in members.items() if name in SERVED})
}


class CommandsOverSsh(Commands):
    """Those that are served."""

    topics = _TOPICS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = commands.maybe_command(cmd_name)
        if found is not None and found[0] not in SERVED:
            raise PushdError(
                f"{cmd_name} is not for SSH: it belongs to your own machine, or to your account.",
                remedy="Run it with the client, `git pushd`, after `pushd login`. `ssh ... help` lists what can be run here.",
            )
        command = super().get_command(ctx, cmd_name)
        return None if command is None else _bound_to_this_server(command)


def _bound_to_this_server(command: click.Command) -> click.Command:
    """The same command without the options that lead elsewhere: whoever is here must not look around from the server."""
    bound = copy.copy(command)
    bound.params = [_closed(param) if {"--host", "--remote"} & {*param.opts} else param for param in command.params]
    return bound


def _closed(param: click.Parameter) -> click.Parameter:
    closed = copy.copy(param)
    closed.callback = _refuse
    if isinstance(closed, click.Option):
        closed.hidden = True
    return closed


def _refuse(context: click.Context, param: click.Parameter, value: object) -> object:
    if context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
        raise PushdError(f"{param.opts[-1]} leads to another server.", remedy="Over SSH there is this one: leave it out.")
    return value


@click.command(
    cls=CommandsOverSsh,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`help COMMAND` tells more, with an example.",
    subcommand_metavar="COMMAND [ARGS]...",
)
def program() -> None:
    """Push to deploy on your own server, over SSH.

    The commands are those of `pushd`; name the app with --app. For a terminal, as `run bash` wants one, say `ssh -t`.

    \b
    Examples:
        ssh -p 2222 myserver logs -t --app myapp
        ssh -t -p 2222 myserver run --app myapp bash
        git push ssh://git@myserver:2222/myapp.git master
    """


if __name__ == "__main__":
    sys.exit(run(read_words(int(sys.argv[1])), environ=process_environ(), folder=Path.cwd(), program=program))
