"""Log sessions: a URL that is the secret, and behind it the app's log lines as server-sent events.

Source: the WHATWG event stream format; what `heroku logs` asks of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import answer, base_url, timestamp
from pushd.api.body import parse_body
from pushd.api.needs import APP, CLAIMS, CLOCK, STANDING, STREAMS, TAILS, USER
from pushd.api.shown import Shown
from pushd.api.urls import signed
from pushd.errors import InvalidParams
from pushd.model import logline
from pushd.model.logline import LogLine

MAX_LINES, DEFAULT_LINES = 1500, 100
_NEWLINE = re.compile(r"\r\n|\r|\n")  # the three that end a line of an event stream
PURPOSE = "log_session"
_VALID = timedelta(days=1)  # a tail that is cut reconnects to the same URL
_HEARTBEAT = b": \n\n"  # the CLI gives up after 300 s of silence
# How long the client waits before it asks again, in ms: after a finished answer it only lingers, so at once; a tail
# ends when we stop, and the Heroku CLI gives up if it comes back before we do: a restart may take seconds.
_RETRY_ONCE, _RETRY_TAIL = b"retry: 1\n\n", b"retry: 10000\n\n"


@dataclass(frozen=True, slots=True)
class CreateBody:
    lines: Shown[int | None] = None
    tail: Shown[bool | None] = None
    source: Shown[str | None] = None
    dyno: Shown[str | None] = None  # a type or a name, as the CLI sends it
    dyno_name: Shown[str | None] = None  # the schema's words
    type: Shown[str | None] = None


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/log-sessions -> 201: what to read is written into the URL."""
    wanted = await parse_body(request, CreateBody)
    if wanted.source not in (None, "", logline.APP, logline.PLATFORM):
        raise InvalidParams("source must be app or heroku.", remedy="Leave it out to see both.")
    lines = DEFAULT_LINES if wanted.lines is None else wanted.lines
    if lines < 0:
        raise InvalidParams("lines must not be negative.", remedy=f"Ask for 0 to {MAX_LINES}.")
    claims = {
        "lines": min(lines, MAX_LINES),
        "follow": bool(wanted.tail),
        "process": (wanted.dyno or wanted.dyno_name or wanted.type or "")[:200],
        "source": wanted.source or "",
    }
    now = request.app[CLOCK].now()
    url = f"{base_url(request)}/logs/{signed(request, PURPOSE, claims, until=now + _VALID, app_id=request[APP].id)}"
    created = timestamp(now)
    return answer({"id": str(uuid4()), "logplex_url": url, "created_at": created, "updated_at": created}, status=201)


async def stream(request: web.Request) -> web.StreamResponse:
    """GET /logs/{token} -> 200 text/event-stream: the last lines, then, if it is a tail, new ones as they come.

    `Last-Event-ID` goes on behind that line, without gap or repeat. It ends when its maker loses the right to read the log.
    """
    claims, app = request[CLAIMS], request[APP]
    lines = request.app[TAILS].tail(
        app.id,
        lines=claims["lines"],
        process=claims["process"] or None,
        source=claims["source"] or None,
        follow=claims["follow"],
        after=request.headers.get("Last-Event-ID") or None,
    )
    opening = _RETRY_TAIL if claims["follow"] else _RETRY_ONCE
    with request.app[STANDING].watch(request[USER], Action.LOGS, app.id) as lost:
        return await request.app[STREAMS].send(
            request, lines, events, content_type="text/event-stream", opening=opening, until=lost
        )


def events(lines: Sequence[LogLine]) -> bytes:
    """An event for each line; for none a comment that keeps the connection alive."""
    return "".join(map(_event, lines)).encode("utf-8", "replace") if lines else _HEARTBEAT


def _event(line: LogLine) -> str:
    identity = f"id: {line.id}\n" if line.id else ""
    shown = line.text()
    if "\n" in shown or "\r" in shown:
        shown = "\ndata: ".join(_NEWLINE.split(shown))
    return f"{identity}data: {shown}\n\n"
