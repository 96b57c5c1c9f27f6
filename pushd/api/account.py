"""The account of whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from pushd.access.passwords import parse_password
from pushd.api.answers import Json, answer, timestamp
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, REMAINING, STORE, USER
from pushd.api.shown import Shown
from pushd.errors import Forbidden, InvalidParams, NotFound
from pushd.kit.addresses import address_of
from pushd.model.user import NAME_LIMIT, User


@dataclass(frozen=True, slots=True)
class UpdateBody:
    name: Shown[str | None] = None
    password: str | None = field(default=None, repr=False)  # the one that holds
    new_password: str | None = field(default=None, repr=False)
    two_factor_authentication: bool = False


async def show(request: web.Request) -> web.Response:
    """GET /account -> 200: the account that the token belongs to."""
    return answer(account_json(request[USER]))


async def update(request: web.Request) -> web.Response:
    """PATCH /account, /users/{user} {"name"?, "new_password"?, "password"?} -> 200: the name that one goes by; "" for none.

    A new password asks for the one that holds, if one was set: a token that was stolen must not be enough.
    """
    wanted, user = await parse_body(request, UpdateBody), request[USER]
    if "user" in request.match_info:
        find_self(request)
    if wanted.new_password is not None:
        await _change_password(request, wanted.new_password, wanted.password)
    if wanted.two_factor_authentication:
        raise InvalidParams("There is no two-factor authentication on this server.", remedy="Passwords and tokens open it.")
    if wanted.name is None:
        return answer(account_json(user))
    if len(wanted.name) > NAME_LIMIT or not wanted.name.isprintable():
        raise InvalidParams(f"name must be at most {NAME_LIMIT} characters, in one line.", remedy="Write a shorter one.")
    return answer(account_json(await request.app[STORE].users.rename(user, wanted.name.strip() or None)))


async def _change_password(request: web.Request, new: str, current: str | None) -> None:
    """Raises: InvalidParams for one that cannot be; Forbidden when `current` is not the password, after a while; Conflict."""
    user, access, store = request[USER], request.app[ACCESS], request.app[STORE]
    parse_password(new)
    stored = (await store.users.password_of(user.email))[1]
    if stored is not None:
        known = await access.authenticate(current, source=address_of(request.remote), email=user.email, takes_password=True)
        if known is None or known.password_hash is None:
            raise Forbidden(
                "That is not your password.", remedy="Without it ask an admin of this server for an invitation: users:invite."
            )
        stored = known.password_hash
    hashed = await access.hashed(new, source=address_of(request.remote))
    await store.accounts.set_password(user, hashed, instead_of=stored)


async def show_named(request: web.Request) -> web.Response:
    """GET /users/{user} -> 200: `~`, or one's own e-mail address or id."""
    return answer(account_json(find_self(request)))


async def rate_limits(request: web.Request) -> web.Response:
    """GET /account/rate-limits -> 200 {"remaining"}: asking costs nothing."""
    return answer({"remaining": request[REMAINING]})


def find_self(request: web.Request) -> User:
    """The {user} of the path, who is always the one who asks. Raises: NotFound for others."""
    user = request[USER]
    if request.match_info["user"] not in ("~", user.email, str(user.id)):
        raise NotFound("Couldn't find that user.", resource="user", remedy="Write ~ for yourself.")
    return user


def account_json(user: User) -> Json:
    return {
        "id": str(user.id),
        "email": user.email,
        "name": user.name,
        "allow_tracking": False,
        "beta": False,
        "federated": False,
        "identity_provider": None,
        "last_login": None,
        "sms_number": None,
        "suspended_at": None,
        "delinquent_at": None,
        "two_factor_authentication": False,
        "verified": True,
        "country_of_residence": None,
        "default_organization": None,
        "default_team": None,
        "created_at": timestamp(user.created_at),
        "updated_at": timestamp(user.updated_at),
    }
