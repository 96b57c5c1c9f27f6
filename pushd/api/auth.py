"""The door: who asks, for which app, and whether they may. Whatever asks for a token passes here before its handler runs.

Those whose URL is the secret pass `urls.py`; the few of `routes.py` without an action are for everybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import web

from pushd.access.access import Access
from pushd.access.actions import Action
from pushd.access.sessions import address_behind
from pushd.access.tokens import maybe_name, maybe_token
from pushd.api.audited import audited, entry
from pushd.api.body import take_body
from pushd.api.needs import ACCESS, APP, RATES, REMAINING, STORE, STRANGERS, USER
from pushd.errors import Forbidden, NotFound, Unauthorized
from pushd.kit.addresses import address_of
from pushd.model.app import App
from pushd.model.user import User

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(
    handler: Handler, action: Action, *, counted: bool = True, takes_password: bool = False, deed: str | None = None
) -> Handler:
    """`handler` for those who may do `action`; it finds the user under USER and, if the path has {app}, the app under APP.

    `deed`: what the audit trail calls it; None for what changes nothing.
    `takes_password`: they may come with their password, where others ask for a token.
    A body is in, and the same asked again, before the handler runs; `body.py` gives it out.
    Raises: Unauthorized (401), TooManyRequests (429; not if calls are not `counted` here), NotFound for an app that is not
    there or not theirs (404), Forbidden (403); BadRequest, TooLarge for the body.
    """

    async def enter(request: web.Request) -> web.StreamResponse:
        access = request.app[ACCESS]
        user = request[USER] = await _find_user(request, access, takes_password=takes_password)
        request.app[STRANGERS].belongs_to(request.transport, user.id)
        rates = request.app[RATES]
        request[REMAINING] = 0
        request[REMAINING] = rates.take(user.id) if counted else rates.remaining(user.id)
        user, app = await _let_in(request, user, action, deed)
        if request.can_read_body:  # which may take a while: what was allowed when it began need not be when it is here
            await take_body(request)
            user, app = await _let_in(request, await access.again(user), action, deed)
        if deed is None:
            return await handler(request)
        return await audited(request, handler, action=deed, source=address_behind(user, request.remote), user=user, app=app)

    return enter


async def _let_in(request: web.Request, user: User | None, action: Action, deed: str | None) -> tuple[User, App | None]:
    """Keep the user and the app of the path for the handler. Raises: Unauthorized, NotFound, Forbidden.

    Who may see an app and not do that stands in the audit trail; who may not see it has asked for one that is not there.
    """
    name = request.match_info.get("app")
    app = None if name is None else await request.app[STORE].apps.find(name)
    try:
        request.app[ACCESS].check(user, action, app)
    except Forbidden as error:
        if deed is not None and user is not None:
            async with entry(request, action=deed, source=address_behind(user, request.remote), user=user, app=app) as written:
                written.outcome = f"refused: {error.message}"
        raise
    assert user is not None  # or that raises
    request[USER] = user
    if app is not None:
        request[APP] = app
    return user, app


async def find_app(request: web.Request, id_or_name: str, action: Action) -> App:
    """An app that a body names, on which the user may do `action`. Raises: NotFound, Forbidden."""
    app = await request.app[STORE].apps.find(id_or_name)
    request.app[ACCESS].check(request[USER], action, app)
    return app


async def check_owner_app(request: web.Request, action: Action, app_id: UUID, *, hidden: NotFound) -> None:
    """Return if the user may do `action` on the app that something belongs to.

    Raises: `hidden`, as if the thing were not there, if they may not see that app, or it is gone; Forbidden.
    """
    try:
        request.app[ACCESS].check(request[USER], action, await request.app[STORE].apps.find(app_id))
    except NotFound:
        raise hidden from None


async def _find_user(request: web.Request, access: Access, *, takes_password: bool) -> User:
    """Whose token, or password, came with the request. A name that is an e-mail address must be that user's own.

    Other names before a token (git's, none) say nothing.
    """
    header = request.headers.get("Authorization")
    secret, name = maybe_token(header), maybe_name(header) or ""
    email = name if "@" in name else ""
    user = await access.authenticate(secret, source=address_of(request.remote), email=email, takes_password=takes_password)
    if user is not None:
        return user
    remedy = "Run `pushd login`, or set PUSHD_API_KEY (HEROKU_API_KEY for the Heroku CLI) to your token."
    if email:
        what = "your password, or one of your API tokens" if takes_password else "one of your API tokens"
        remedy = f"The password that it takes is {what}; the operator's stands in admin.token of the data folder."
    raise Unauthorized("Invalid credentials provided." if secret else "No credentials provided.", remedy=remedy)
