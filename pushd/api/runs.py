"""Attached one-off dynos for our own client: a WebSocket whose frames keep input, output, size and exit code apart."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from pushd.access.actions import Action
from pushd.access.standing import Standing
from pushd.api.connection import keep_alive, until_gone
from pushd.api.needs import RUNS, STANDING, STREAMS, Runs
from pushd.errors import BadRequest, NotFound, PushdError, Unavailable
from pushd.kit.aio import first
from pushd.model.terminal import TerminalSize
from pushd.problems import problem_json
from pushd.story.rooms import Attached

_LARGEST_MESSAGE_BYTES = 1 << 20
_HEARTBEAT_SECONDS = 20.0
SIGNALS: Mapping[str, signal.Signals] = MappingProxyType(
    {name: signal.Signals[f"SIG{name}"] for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "TSTP", "CONT", "WINCH")}
)


_LOST = NotFound("You have lost access to this app.", resource="app", remedy="What was running has been ended. Ask its owner.")


class _NotUnderstood(Exception):
    """A message that is none of ours."""


async def attach(request: web.Request) -> web.StreamResponse:
    """GET /-/runs/{secret}, an upgrade to WebSocket -> 101: starts the dyno that waits for this secret, once.

    Binary messages are input; of output the first byte tells the stream. Text messages are JSON, see docs/api.md.
    """
    socket = web.WebSocketResponse(compress=False, max_msg_size=_LARGEST_MESSAGE_BYTES)
    if not socket.can_prepare(request):
        raise BadRequest("This path is a WebSocket.", remedy="Send an upgrade to it, or use `pushd run`.")
    attached = await maybe_claim(request.app[RUNS], request.app[STANDING], request.match_info["secret"])
    if attached is None:
        raise NotFound("Couldn't find that run.", resource="run", remedy="Its URL holds for one client; start another run.")
    try:
        keep_alive(request.transport)
        await socket.prepare(request)
        code = await request.app[STREAMS].wait(_serve(request, socket, attached), name="attached run")
    except Unavailable:
        code = WSCloseCode.GOING_AWAY
    except ConnectionError:
        return web.Response()  # the client went away before we could answer: nobody sees this
    finally:
        attached.leave()
    await socket.close(code=code)
    return socket


async def maybe_claim(runs: Runs, standing: Standing, secret: str) -> Attached | None:
    """The dyno that waits for this secret, once; None also when who started it may run nothing in the app any more."""
    attached = runs.maybe_claim(secret)
    if attached is None or await standing.may_still(attached.user, Action.RUN, attached.app_id):
        return attached
    attached.leave()
    return None


async def _serve(request: web.Request, socket: web.WebSocketResponse, attached: Attached) -> int:
    """Carry bytes both ways until the program has ended or the client is gone; the code to close with."""
    try:
        await attached.start(merged=False, resizable=True)
        await socket.send_json({"state": "up"})
        with request.app[STANDING].watch(attached.user, Action.RUN, attached.app_id) as lost:
            await first(
                _to_client(socket, attached),
                _to_program(socket, attached),
                attached.idle(),
                lost.wait(),
                _heartbeat(socket),
                until_gone(request.transport),
            )
            if lost.is_set():
                await _send_last(socket, {"error": problem_json(_LOST)})
    except _NotUnderstood:
        return WSCloseCode.UNSUPPORTED_DATA
    except PushdError as error:
        await _send_last(socket, {"error": problem_json(error)})
    except ConnectionError:
        pass  # the client went away
    return WSCloseCode.OK


async def _to_client(socket: web.WebSocketResponse, attached: Attached) -> None:
    while (found := await attached.read()) is not None:
        stream, data = found
        await socket.send_bytes(bytes((stream,)) + data)
    await socket.send_json({"exit": await attached.exit_status()})


async def _to_program(socket: web.WebSocketResponse, attached: Attached) -> None:
    """Returns when the client is gone. Raises: _NotUnderstood."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await attached.write(message.data)
        elif message.type is WSMsgType.TEXT:
            await _obey(message, attached)


async def _obey(message: WSMessage, attached: Attached) -> None:
    """One text message. Raises: _NotUnderstood."""
    try:
        match json.loads(message.data):
            case {"resize": {"columns": int(columns), "lines": int(lines)}}:
                attached.resize(TerminalSize.told(columns, lines))
            case {"signal": str(name)} if name in SIGNALS:
                attached.signal(SIGNALS[name])
            case {"end_of_input": True}:
                await attached.end_input()
            case _:
                raise _NotUnderstood
    except (ValueError, RecursionError):
        raise _NotUnderstood from None


async def _heartbeat(socket: web.WebSocketResponse) -> None:
    """Something now and then, for whatever is between us; an answer is not waited for: a full pipe may hold it up."""
    while True:
        await asyncio.sleep(_HEARTBEAT_SECONDS)
        await socket.ping()


async def _send_last(socket: web.WebSocketResponse, message: Mapping[str, Any]) -> None:
    try:
        await socket.send_json(message)
    except ConnectionError:
        return  # the client went away
