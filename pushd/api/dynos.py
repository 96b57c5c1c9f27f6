"""Dynos: listed, started as one-offs, restarted, stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, DYNOS, RUNS, USER
from pushd.api.ranges import Field
from pushd.api.rendezvous import attach_url, split_exit_mark
from pushd.api.shown import Shown
from pushd.errors import InvalidParams, NotFound
from pushd.model.app import App
from pushd.model.dyno import Dyno, shown_state
from pushd.model.resources import DynoSize, find_size
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize

FIELDS = {"name": Field[Dyno](lambda dyno: dyno.name), "id": Field[Dyno](lambda dyno: str(dyno.id))}
_LONGEST_BYTES = 65_536  # as for config vars; Linux starts no program with an argument or a variable of 128 KiB
_VARIABLE = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class CreateBody:
    command: str
    attach: Shown[bool | None] = None
    env: Mapping[str, str | int] = field(default_factory=dict)
    force_no_tty: bool | None = None
    size: Shown[str | None] = None  # of the dyno
    type: Shown[str | None] = None  # what runs is called run.N, whatever the client calls it


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/dynos -> 200 or 206: everything of the app that runs now."""
    app = request[APP]
    return page(request, request.app[DYNOS].of(app), FIELDS, lambda dyno: dyno_json(app, dyno))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/dynos/{dyno} -> 200: by name or id."""
    return answer(dyno_json(request[APP], _find(request)))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/dynos {"command", "attach"?, "env"?, "force_no_tty"?} -> 201: a one-off dyno.

    Attached, it starts once somebody comes to its `attach_url`; else its output goes to the app's log.
    """
    wanted = await parse_body(request, CreateBody)
    if wanted.attach:
        return await _attach(request, wanted, inside=None)
    app, environ, dyno_size = request[APP], _parse_environ(wanted.env), _maybe_dyno_size(wanted)
    dyno = await request.app[RUNS].detached(app, _parse_command(wanted.command), environ, request[USER], dyno_size)
    note(request, {"dyno": dyno.name})
    return answer(dyno_json(app, dyno), status=201)


async def create_inside(request: web.Request) -> web.Response:
    """POST /apps/{app}/dynos/{dyno} {"command", "env"?} -> 201: the same, attached, in a dyno that runs."""
    return await _attach(request, await parse_body(request, CreateBody), inside=_find(request))


async def _attach(request: web.Request, wanted: CreateBody, *, inside: Dyno | None) -> web.Response:
    line, is_marked = split_exit_mark(wanted.command)
    command, environ = _parse_command(line), _parse_environ(wanted.env)
    size = None if wanted.force_no_tty else _parse_size(wanted.env)
    app, runs = request[APP], request.app[RUNS]
    if inside is None:
        dyno, secret = await runs.attached(app, command, environ, request[USER], size, _maybe_dyno_size(wanted))
    else:
        dyno, secret = await runs.inside(app, inside.name, command, environ, request[USER], size)
    note(request, {"dyno": dyno.name})
    return answer(dyno_json(app, dyno, attach_url=attach_url(request, secret, is_marked=is_marked)), status=201)


async def restart_all(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/dynos -> 202: new web dynos answer before the old ones leave."""
    change = await request.app[DYNOS].restart(request[APP], user=request[USER])
    return answer({}, status=202, change=change)


async def restart(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/dynos/{dyno} -> 202."""
    change = await request.app[DYNOS].restart(request[APP], user=request[USER], name=_find(request).name)
    return answer({}, status=202, change=change)


async def restart_type(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/formations/{type} -> 202."""
    change = await request.app[DYNOS].restart(request[APP], user=request[USER], type=request.match_info["type"])
    return answer({}, status=202, change=change)


async def stop(request: web.Request) -> web.Response:
    """POST /apps/{app}/dynos/{dyno}/actions/stop -> 202: ends a one-off; one of the formation is restarted."""
    change = await request.app[DYNOS].stop(request[APP], user=request[USER], name=_find(request).name)
    return answer({}, status=202, change=change)


async def stop_type(request: web.Request) -> web.Response:
    """POST /apps/{app}/formations/{type}/actions/stop -> 202."""
    change = await request.app[DYNOS].stop(request[APP], user=request[USER], type=request.match_info["type"])
    return answer({}, status=202, change=change)


def dyno_json(app: App, dyno: Dyno, *, attach_url: str | None = None) -> Json:
    return {
        "id": str(dyno.id),
        "name": dyno.name,
        "type": dyno.type,
        "state": shown_state(dyno.state),
        "size": dyno.size,
        "command": dyno.command,
        "attach_url": attach_url,
        "app": app_reference(app),
        "release": {"id": str(dyno.release_id), "version": dyno.epoch.release_number},
        "created_at": timestamp(dyno.created_at),
        "updated_at": timestamp(dyno.updated_at),
    }


def _find(request: web.Request) -> Dyno:
    wanted = request.match_info["dyno"]
    for dyno in request.app[DYNOS].of(request[APP]):
        if wanted in (dyno.name, str(dyno.id)):
            note(request, {"dyno": dyno.name})
            return dyno
    raise NotFound("Couldn't find that dyno.", resource="dyno", remedy="`pushd ps` lists those that run.")


def _parse_command(line: str) -> str:
    if not line.strip() or not _passable(line):
        raise InvalidParams("command cannot be run: it is empty, or no text.", remedy="Give one shell line: flask routes")
    _check_length("command", line)
    return line


def _parse_environ(given: Mapping[str, str | int]) -> Environ:
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name) or not _passable(str(value)):
            raise InvalidParams(f"env.{name[:64]!r} cannot stand in a process environment.",
                                remedy="Use letters, digits and underscores, and no NUL byte in the value.")  # fmt: skip
        _check_length(f"env.{name[:64]}", f"{name}={value}")
    return Environ({name: str(value) for name, value in given.items()})


def _check_length(what: str, text: str) -> None:
    if len(text.encode()) > _LONGEST_BYTES:
        raise InvalidParams(f"{what} is longer than {_LONGEST_BYTES} bytes.",
                            remedy="Put it into a file of the app, or send it as input.")  # fmt: skip


def _maybe_dyno_size(wanted: CreateBody) -> DynoSize | None:
    return find_size(wanted.size) if wanted.size else None


def _parse_size(env: Mapping[str, str | int]) -> TerminalSize | None:
    """Of the client's window; None from a client whose output is no terminal."""
    if "COLUMNS" not in env:
        return None
    try:
        return TerminalSize.told(int(env["COLUMNS"]), int(env.get("LINES", 0)))
    except ValueError:
        raise InvalidParams("COLUMNS and LINES are no size of a terminal.",
                            remedy="Send whole numbers from 1 to 65535, or leave both out.") from None  # fmt: skip


def _passable(text: str) -> bool:
    """Whether a process can be given this text: no NUL byte, and no half of a surrogate pair, which JSON can hold."""
    return "\0" not in text and text == text.encode("utf-8", "replace").decode()
