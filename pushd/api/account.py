"""The account of whoever asks, and its authorizations."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, timestamp
from pushd.api.needs import USER
from pushd.errors import NotFound
from pushd.model.user import User


async def show(request: web.Request) -> web.Response:
    """GET /account -> 200: the account that the token belongs to."""
    return answer(account_json(request[USER]))


async def show_named(request: web.Request) -> web.Response:
    """GET /users/{user} -> 200: `~`, or one's own e-mail address or id."""
    return answer(account_json(find_self(request)))


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
        "name": None,
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
