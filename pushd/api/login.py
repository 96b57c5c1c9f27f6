"""`heroku login` without -i: the program opens a page of ours in a browser and waits until a person
says there who they are, with a token or a password.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.access.logins import Login
from pushd.access.tokens import maybe_token
from pushd.access.turns import TooManyAttempts
from pushd.api.answers import answer
from pushd.api.audited import entry, note
from pushd.api.body import parse_body, read_body
from pushd.api.login_page import HEADERS, page_of_done, page_of_form, page_of_over
from pushd.api.needs import ACCESS, CLOCK, LOGINS, STORE, STREAMS
from pushd.errors import BadRequest, Forbidden, NotFound, PushdError
from pushd.kit.addresses import address_of
from pushd.model.user import DESCRIPTION_LIMIT

TOKEN_LIFE = timedelta(days=30)  # as `heroku login -i` asks for
_HEARTBEAT_SECONDS = 20.0  # the CLI gives up after 60 s of silence
_CONFIRMED, _COLLECTED = "POST /auth/browser/{token}", "GET /auth/cli/{token}"  # in the audit trail
_FORM = "application/x-www-form-urlencoded"
_FORM_BYTES = 4096  # of what is even looked at; a token has at most a quarter of it


@dataclass(frozen=True, slots=True)
class BeginBody:
    description: str = "Heroku CLI login"


async def begin(request: web.Request) -> web.Response:
    """POST /auth {"description"?} -> 201 {"browser_url", "cli_url", "token"}: paths of the page and of what comes of it.

    Only some may wait at a time: a web page that somebody visits must not be able to take all the places.
    """
    if "Origin" in request.headers:  # every browser sends it with a POST, no program does
        raise Forbidden("A web page cannot begin a login.", remedy="Begin it in a terminal: `pushd login`.")
    wanted = await parse_body(request, BeginBody)
    description = "".join(c for c in wanted.description if c.isprintable())[:DESCRIPTION_LIMIT]
    login = request.app[LOGINS].begin(description, address_of(request.remote))
    urls = {
        "browser_url": f"/auth/browser/{login.page_id}",
        "cli_url": f"/auth/cli/{login.poll_id}",
        "token": login.poll_secret,
    }
    return answer(urls, status=201)


async def show(request: web.Request) -> web.Response:
    """GET /auth/browser/{token} -> 200 text/html: who asks, and a field for a token."""
    try:
        return _page(page_of_form(request.app[LOGINS].find_page(request.match_info["token"])))
    except NotFound as error:
        return _page(page_of_over(error), status=404)


async def confirm(request: web.Request) -> web.Response:
    """POST /auth/browser/{token} email=...&token=... -> 200 text/html: the program may go on as that user.

    The token may be a password if the address comes along. No cookie says who one is: without the token itself another site
    can confirm nothing.
    """
    if request.content_type != _FORM:
        raise BadRequest("The body must be a form.", remedy=f"Send token=... as {_FORM}.")
    logins = request.app[LOGINS]
    try:
        login = logins.find_page(request.match_info["token"])
    except NotFound as error:
        return _page(page_of_over(error), status=404)
    form = await read_body(request)
    email, secret = _field("email", form).strip(), _field("token", form)
    access = request.app[ACCESS]
    secret, address = secret if email else secret.strip(), address_of(request.remote)
    try:
        user = await access.authenticate(secret, source=address, email=email, takes_password=True)
    except TooManyAttempts as error:
        return _page(page_of_form(login, error.text), status=error.status)
    if not may(user, Action.ACCOUNT, None) or user is None:
        logins.refuse(login)
        told = "That token's scope does not let it make others."
        if user is None:
            told = "That is not the password of this address." if email else "That is no token of this server."
        return _page(page_of_form(login, told), status=403)
    async with entry(request, action=_CONFIRMED, source=address_of(request.remote), user=user):
        note(request, {"login": login.description})
        logins.confirm(login, user)
    return _page(page_of_done(login, user))


async def collect(request: web.Request) -> web.StreamResponse:
    """GET /auth/cli/{token}, with the secret as bearer -> 200 {"access_token"} or {"error"}, once it is decided.

    Blanks before the JSON keep the connection awake meanwhile. One asks at a time: a later one is answered in place of it.
    """
    login = request.app[LOGINS].find_poll(request.match_info["token"], maybe_token(request.headers.get("Authorization")) or "")
    outcome = _outcome(request, login)
    return await request.app[STREAMS].send(request, outcome, bytes, content_type="application/json", until=asyncio.Event())


async def _outcome(request: web.Request, login: Login) -> AsyncIterator[bytes]:
    logins, access = request.app[LOGINS], request.app[ACCESS]
    asked_again = logins.ask(login)
    while not await logins.wait(login, _HEARTBEAT_SECONDS, until=asked_again):
        yield b" "
    if asked_again.is_set():
        yield json.dumps({"error": "Another program asks for this login now."}).encode()
        return
    user = logins.take(login)
    if user is None:
        yield json.dumps({"error": "The login was not confirmed: begin again."}).encode()
        return
    try:
        user = await access.again(user)  # who confirmed it may have lost what they came with
        access.check(user, Action.ACCOUNT)
        assert user is not None  # or that raises
        until = request.app[CLOCK].now() + TOKEN_LIFE
        async with entry(request, action=_COLLECTED, source=address_of(request.remote), user=user):
            made, token = await request.app[STORE].users.create_authorization(user, login.description, until)
            note(request, {"login": login.description, "authorization": made.token_hint})
    except PushdError as error:
        yield json.dumps({"error": error.text}).encode()
        return
    yield json.dumps({"access_token": token}).encode()


def _field(name: str, form: bytes) -> str:
    """A field of a form as browsers send it; "" if it is not there."""
    fields = parse_qs(form[:_FORM_BYTES].decode("ascii", "replace"))
    return fields.get(name, [""])[0]


def _page(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
