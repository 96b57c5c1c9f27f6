"""Options that many commands share, and what they lead to: a client and an app."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec

import click

from pushd.cli import render
from pushd.cli.render import Place
from pushd.client.client import Client
from pushd.client.discovery import Discovery

P = ParamSpec("P")


class Here:
    """What a command about one app gets: the app and a client, found when first asked for, so usage errors come first."""

    def __init__(self, where: Discovery) -> None:
        self._where = where

    @property
    def app(self) -> str:
        return self._where.app

    @property
    def client(self) -> Client:
        return self._where.client


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def no_wait_option(function: Callable[..., Any]) -> Callable[..., Any]:
    help_ = "End at once, do not wait until the dynos have followed."
    return click.option("--no-wait", is_flag=True, help=help_)(function)


def host_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--host", metavar="URL", help="The server's API. [PUSHD_HOST, this folder's git remote, this machine]")(
        function
    )


def parse_pairs(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` arguments, none of them a secret. Raises: click.UsageError."""
    wanted: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text[:80]} is not NAME=VALUE.", click.get_current_context())
        wanted[name] = value
    return wanted


def on_app(function: Callable[Concatenate[Here, P], None]) -> Callable[..., None]:
    """Give the command `-a`, `-r`, `--host`, and a client with the app that they mean."""

    @functools.wraps(function)
    def command(app: str | None, remote: str | None, host: str | None, *args: P.args, **kwargs: P.kwargs) -> None:
        function(Here(discover(app=app, remote=remote, host=host)), *args, **kwargs)

    return app_options(command)


def on_server(function: Callable[Concatenate[Client, P], None]) -> Callable[..., None]:
    """Give the command `-r` and `--host`, and a client of the server that they mean."""

    @functools.wraps(function)
    def command(remote: str | None, host: str | None, *args: P.args, **kwargs: P.kwargs) -> None:
        function(discover(remote=remote, host=host).client, *args, **kwargs)

    return _remote_option(host_option(command))


def discover(*, app: str | None = None, remote: str | None = None, host: str | None = None) -> Discovery:
    """Where this command line leads, from the place that the program runs in."""
    here = place()
    where = Discovery(environ=here.environ, folder=here.folder, app_option=app, remote_option=remote, host_option=host)
    click.get_current_context().call_on_close(lambda: _leave(where))
    return where


def _leave(where: Discovery) -> None:
    """When the command has ended: tell what servers warned of, end the connections."""
    for text in where.warnings:
        render.warn(text)
    where.close()


def place() -> Place:
    """The environment and folder of the running command."""
    found = click.get_current_context().find_object(Place)
    assert found is not None
    return found


def app_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-a`, `-r` and `--host`, as arguments `app`, `remote` and `host`."""
    help_ = "The app. [PUSHD_APP, this folder's git remote]"
    return click.option("-a", "--app", metavar="APP", help=help_)(_remote_option(host_option(function)))


def one_app_or_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for what is about all of the server unless an app is named: no git remote names one."""
    return click.option("-a", "--app", metavar="APP", help="This app alone. [all]")(_remote_option(host_option(function)))


def _remote_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("-r", "--remote", metavar="NAME", help="The git remote that leads to the app.")(function)
