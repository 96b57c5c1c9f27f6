from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from pushd.access.access import TOKEN_LIMIT, Access
from pushd.access.actions import GRANTS, RULES, Action, Who, may
from pushd.errors import Forbidden, NotFound, Unauthorized
from pushd.model.app import App
from pushd.model.user import Scope, User

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_user(email: str, *, is_operator: bool = False) -> User:
    return User(id=uuid4(), email=email, is_operator=is_operator, created_at=NOW, updated_at=NOW)


def make_app(owner_id: UUID, *collaborators: UUID) -> App:
    return App(
        id=uuid4(), name="blog", owner_id=owner_id, owner_email="x@localhost", maintenance=False, restarts=0, created_at=NOW,
        updated_at=NOW, released_at=None, repo_size_bytes=0, slug_size_bytes=0,
        collaborator_ids=frozenset(collaborators),
    )  # fmt: skip


OPERATOR, OWNER, STRANGER = (
    make_user("admin@localhost", is_operator=True),
    make_user("owner@localhost"),
    make_user("s@localhost"),
)
FRIEND = make_user("friend@localhost")
APP = make_app(OWNER.id, FRIEND.id)
OF_AN_APP = sorted(action for action, who in RULES.items() if who in (Who.OWNER, Who.COLLABORATOR))
OF_ITS_OWNER = {Action.APP_RENAME, Action.APP_DESTROY, Action.ACCESS_CHANGE}
OF_A_USER = sorted(action for action, who in RULES.items() if who is Who.EVERY_USER)


class OneToken:
    """A `Users` that knows one token, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0

    async def by_token(self, token: str) -> User | None:
        self.asked += 1
        return OWNER if token == "pushd-good" else None


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)


@pytest.mark.parametrize("action", Action)
def test_nobody_may_nothing_and_the_operator_everything(action: Action) -> None:
    for app in (None, APP):
        assert not may(None, action, app)
        assert may(OPERATOR, action, app)


@pytest.mark.parametrize("action", OF_AN_APP)
def test_what_concerns_an_app_is_its_owners(action: Action) -> None:
    assert may(OWNER, action, APP)
    assert not may(STRANGER, action, APP)
    assert not may(OWNER, action, None)


@pytest.mark.parametrize("action", OF_AN_APP)
def test_a_collaborator_works_on_the_app_and_does_not_decide_about_it(action: Action) -> None:
    assert may(FRIEND, action, APP) == (action not in OF_ITS_OWNER)
    assert not may(FRIEND, action, make_app(OWNER.id))
    assert not may(FRIEND, action, None)


@pytest.mark.parametrize("action", sorted(OF_ITS_OWNER))
def test_a_collaborator_is_told_what_they_may_not(action: Action) -> None:
    with pytest.raises(Forbidden, match=f"You may not {action}"):
        Access(OneToken()).check(FRIEND, action, APP)


@pytest.mark.parametrize("action", OF_A_USER)
def test_what_concerns_no_app_is_every_users(action: Action) -> None:
    assert may(STRANGER, action, None)


def test_the_server_is_the_operators() -> None:
    assert not may(OWNER, Action.ADMIN, None)
    assert not may(OWNER, Action.ADMIN, APP)


async def test_only_a_known_token_opens_the_door() -> None:
    access = Access(OneToken())

    assert await access.authenticate("pushd-good") == OWNER
    assert await access.authenticate("pushd-bad") is None


@pytest.mark.parametrize("token", [None, "", "x" * (TOKEN_LIMIT + 1)])
async def test_what_cannot_be_a_token_is_not_even_looked_up(token: str | None) -> None:
    users = OneToken()

    assert await Access(users).authenticate(token) is None
    assert users.asked == 0


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


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [(Scope.IDENTITY, Scope.READ), (Scope.READ, Scope.WRITE), (Scope.READ, Scope.READ_PROTECTED),
     (Scope.READ_PROTECTED, Scope.WRITE_PROTECTED), (Scope.WRITE, Scope.WRITE_PROTECTED),
     (Scope.WRITE_PROTECTED, Scope.GLOBAL)],
)  # fmt: skip
def test_scopes_are_nested(narrow: Scope, wide: Scope) -> None:
    assert GRANTS[narrow] < GRANTS[wide]


def test_no_scope_but_global_makes_tokens_or_runs_the_server() -> None:
    assert {scope for scope in Scope if GRANTS[scope] & {Action.ACCOUNT, Action.ADMIN}} == {Scope.GLOBAL}


def test_a_scope_takes_away_and_never_gives() -> None:
    everything = frozenset(Scope)
    for user in (OPERATOR, OWNER, STRANGER):
        for action in Action:
            assert may(replace(user, scopes=everything), action, APP) == may(user, action, APP)
            assert not may(replace(user, scopes=frozenset()), action, APP)


async def test_a_token_that_does_not_reach_so_far_says_so() -> None:
    access, reader = Access(OneToken()), replace(OWNER, scopes=frozenset({Scope.READ}))
    access.check(reader, Action.LOGS, APP)
    with pytest.raises(Forbidden, match=r"scope of your token \(read\) does not let you push to this app"):
        access.check(reader, Action.PUSH, APP)
    with pytest.raises(NotFound):
        access.check(replace(STRANGER, scopes=frozenset({Scope.IDENTITY})), Action.PUSH, APP)
