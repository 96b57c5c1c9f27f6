"""The door: whose token it is, and what somebody who may not is told. `test_matrix.py` holds who may do what."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from pushd.access import passwords
from pushd.access.access import TOKEN_LIMIT, Access
from pushd.access.actions import Action
from pushd.access.slowdown import Slowdown
from pushd.errors import Forbidden, NotFound, Unauthorized
from pushd.model.user import Scope, User
from tests.access.test_matrix import APP, OTHER_APP, USERS, thing_of
from tests.fakes import InstantClock

OWNER, FRIEND, STRANGER = USERS["O"], USERS["C"], USERS["S"]
OF_AN_APP = sorted(action for action in Action if thing_of(action) is APP)
OF_ITS_OWNER = {Action.APP_RENAME, Action.APP_DESTROY, Action.ACCESS_CHANGE}


class OneToken:
    """A `Users` that knows one user with one token, and counts who asks."""

    def __init__(self, password_hash: str | None = None) -> None:
        self.asked = 0
        self.password_hash = password_hash

    async def by_token(self, token: str) -> User | None:
        self.asked += 1
        return OWNER if token == "pushd-good" else None

    async def by_token_hash(self, wanted: bytes) -> User | None:
        return OWNER if wanted == b"good" else None

    async def maybe_by_id(self, user_id: str | UUID) -> User | None:
        return OWNER if user_id == OWNER.id else None

    async def password_of(self, email: str) -> tuple[User | None, str | None]:
        return (OWNER, self.password_hash) if email.casefold() == OWNER.email else (None, None)


@pytest.fixture
def clock() -> InstantClock:
    return InstantClock()


@pytest.mark.parametrize("action", sorted(OF_ITS_OWNER))
def test_a_collaborator_is_told_what_they_may_not(action: Action) -> None:
    with pytest.raises(Forbidden, match=f"You may not {action}"):
        Access(OneToken()).check(FRIEND, action, APP)


async def test_only_a_known_token_opens_the_door(clock: InstantClock) -> None:
    access = Access(OneToken(), slowdown=Slowdown(clock))

    assert await access.authenticate("pushd-good") == OWNER
    assert await access.authenticate("pushd-bad") is None


@pytest.mark.parametrize("token", [None, "", "x" * (TOKEN_LIMIT + 1)])
async def test_what_cannot_be_a_token_is_not_even_looked_up(token: str | None, clock: InstantClock) -> None:
    users = OneToken()

    assert await Access(users, slowdown=Slowdown(clock)).authenticate(token) is None
    assert users.asked == 0
    assert len(clock.slept) == bool(token)  # to bring none is no attempt


async def test_a_password_opens_the_doors_that_take_one(clock: InstantClock) -> None:
    users = OneToken()
    access = Access(users, slowdown=Slowdown(clock))
    users.password_hash = await access.hashed("correct horse", source="x")
    options = {"source": "192.0.2.1", "takes_password": True}

    assert await access.authenticate("correct horse", email="Owner@LocalHost", **options) == OWNER
    assert await access.authenticate("pushd-good", email=OWNER.email, **options) == OWNER
    assert clock.slept == []
    assert await access.authenticate("correct horse", email=OWNER.email) is None  # this door takes tokens alone
    assert await access.authenticate("pushd-good", email="eve@localhost", **options) is None
    assert await access.authenticate("correct horse", email="eve@localhost", **options) is None
    assert await access.authenticate("wrong horse", email=OWNER.email, **options) is None
    assert await access.authenticate("correct horse", **options) is None  # whose would it be?
    assert len(clock.slept) == 5


async def test_a_right_password_is_behind_one_guess_of_a_network_and_not_behind_all(
    clock: InstantClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def compare(password: str, stored: str | None) -> bool:
        order.append(password)
        return password == "right"

    monkeypatch.setattr(passwords, "_is_right", compare)
    access = Access(OneToken("a hash"), slowdown=Slowdown(clock))
    guesses = [
        asyncio.ensure_future(
            access.authenticate("wrong", email=f"user{n % 4}@localhost", source=f"2001:db8::{n:x}", takes_password=True)
        )
        for n in range(1, 201)
    ]
    await asyncio.sleep(0)

    assert await access.authenticate("right", email=OWNER.email, source="198.51.100.7", takes_password=True) == OWNER

    assert order.index("right") <= 2
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_who_was_let_in_is_looked_at_again() -> None:
    access = Access(OneToken())
    assert await access.again(replace(OWNER, token_hash=b"good")) == OWNER
    assert await access.again(replace(OWNER, token_hash=b"ended")) is None
    assert await access.again(OWNER) == OWNER
    assert await access.again(STRANGER) is None


def test_check_lets_pass_in_silence() -> None:
    Access(OneToken()).check(OWNER, Action.PUSH, APP)
    Access(OneToken()).check(STRANGER, Action.APP_CREATE)


@pytest.mark.parametrize("action", OF_AN_APP)
def test_a_strangers_app_looks_as_if_it_were_not_there(action: Action) -> None:
    with pytest.raises(NotFound, match=r"^Couldn't find that app\.$") as caught:
        Access(OneToken()).check(STRANGER, action, APP)
    assert caught.value.resource == "app"
    assert caught.value.status == 404


def test_without_a_user_the_door_asks_who_it_is() -> None:
    with pytest.raises(Unauthorized) as caught:
        Access(OneToken()).check(None, Action.APP_VIEW, APP)
    assert "login" in caught.value.remedy


def test_an_owner_is_told_what_they_may_not() -> None:
    with pytest.raises(Forbidden, match="You may not run this server"):
        Access(OneToken()).check(OWNER, Action.ADMIN, APP)


async def test_a_token_that_does_not_reach_so_far_says_so() -> None:
    access, reader = Access(OneToken()), replace(OWNER, scopes=frozenset({Scope.READ}))
    access.check(reader, Action.LOGS, APP)
    with pytest.raises(Forbidden, match=r"scope of your token \(read\) does not let you push to this app"):
        access.check(reader, Action.PUSH, APP)
    with pytest.raises(NotFound):
        access.check(replace(STRANGER, scopes=frozenset({Scope.IDENTITY})), Action.PUSH, APP)


async def test_a_token_of_one_app_says_so_and_sees_no_other() -> None:
    access, deploys = Access(OneToken()), replace(OWNER, only_app_id=APP.id)
    access.check(deploys, Action.PUSH, APP)
    with pytest.raises(Forbidden, match="Your token reaches one app alone, and does not let you create apps"):
        access.check(deploys, Action.APP_CREATE)
    with pytest.raises(NotFound, match=r"^Couldn't find that app\.$"):
        access.check(deploys, Action.APP_VIEW, OTHER_APP)
    with pytest.raises(Forbidden, match="You may not run this server"):
        access.check(deploys, Action.ADMIN)
