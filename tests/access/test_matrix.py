"""Who may do what with which token, all of it, as a table that a person can read; `PUSHD_GOLDEN=write` writes it anew."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pushd.access.actions import GRANTS, RULES, Action, Thing, Who, may
from pushd.model.app import App
from pushd.model.pipeline import Pipeline
from pushd.model.user import Scope, User

GOLDEN = Path(__file__).parents[1] / "golden" / "access" / "matrix.txt"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_user(name: str, *, is_operator: bool = False, made_admin: bool = False) -> User:
    return User(
        id=uuid4(), email=f"{name}@localhost", is_operator=is_operator, made_admin=made_admin, created_at=NOW, updated_at=NOW
    )


def make_app(owner: User, *collaborators: User) -> App:
    return App(
        id=uuid4(), name="blog", owner_id=owner.id, owner_email=owner.email, maintenance=False, restarts=0, created_at=NOW,
        updated_at=NOW, released_at=None, repo_size_bytes=0, slug_size_bytes=0,
        collaborator_ids=frozenset(each.id for each in collaborators),
    )  # fmt: skip


USERS = {  # by the letter that stands for them in the table
    "P": make_user("operator", is_operator=True),
    "A": make_user("admin", made_admin=True),
    "O": make_user("owner"),
    "C": make_user("collaborator"),
    "S": make_user("stranger"),
}
APP = make_app(USERS["O"], USERS["C"])
OTHER_APP = make_app(USERS["O"], USERS["C"])
PIPELINE = Pipeline(id=uuid4(), name="line", owner_id=USERS["O"].id, created_at=NOW, updated_at=NOW)
OF_PIPELINES = {Action.PIPELINE_VIEW, Action.PIPELINE_CHANGE}
TITLE = """\
Who may do what, by the scope of the token that they came with. P: the operator, A: another admin, O: the owner of the app (or
pipeline), C: a collaborator, S: any other user; a dot: not that one. Nobody may do anything without an account.
"""


def thing_of(action: Action) -> Thing | None:
    """What the action is about."""
    if action in OF_PIPELINES:
        return PIPELINE
    return None if RULES[action] in (Who.EVERY_USER, Who.ADMIN) else APP


def cell(action: Action, scope: Scope, *, only_app_id: UUID | None = None) -> str:
    """Those who may, by their letters."""
    came_with = {"scopes": frozenset({scope}), "only_app_id": only_app_id}
    allowed = {letter: may(replace(user, **came_with), action, thing_of(action)) for letter, user in USERS.items()}
    return "".join(letter if allowed[letter] else "." for letter in USERS)


def table(title: str, *, only_app_id: UUID | None = None) -> str:
    heading = f"{title:<46}" + "".join(f"{scope:<17}" for scope in Scope)
    rows = [f"{action:<46}" + "".join(f"{cell(action, scope, only_app_id=only_app_id):<17}" for scope in Scope)
            for action in Action]  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in (heading, *rows))


def test_the_whole_table() -> None:
    printed = "\n".join((
        TITLE,
        table("A TOKEN OF ALL APPS"),
        table("A TOKEN OF THIS APP ALONE", only_app_id=APP.id),
        table("A TOKEN OF ANOTHER APP ALONE", only_app_id=OTHER_APP.id),
    ))  # fmt: skip
    if os.environ.get("PUSHD_GOLDEN") == "write":
        GOLDEN.write_text(printed)

    assert printed == GOLDEN.read_text()


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)
    assert set(GRANTS) == set(Scope)


@pytest.mark.parametrize("action", Action)
def test_nobody_may_nothing_and_admins_everything(action: Action) -> None:
    for thing in (None, APP, PIPELINE):
        assert not may(None, action, thing)
        assert may(USERS["P"], action, thing)
        assert may(USERS["A"], action, thing)


def test_a_token_takes_away_and_never_gives() -> None:
    """Over all that there is: no limit of a token lets its user do what they may not do without it."""
    scopes = [frozenset(), *(frozenset({scope}) for scope in Scope), frozenset(Scope)]
    limits = [None, APP.id, OTHER_APP.id]
    for user, action, thing in product(USERS.values(), Action, (None, APP, OTHER_APP, PIPELINE)):
        for held, only_app_id in product(scopes, limits):
            if may(replace(user, scopes=held, only_app_id=only_app_id), action, thing):
                assert may(user, action, thing)
        assert not may(replace(user, scopes=frozenset()), action, thing)
        assert may(replace(user, scopes=frozenset(Scope)), action, thing) == may(user, action, thing)


def test_several_scopes_add_up() -> None:
    for user, action, (one, other) in product(USERS.values(), Action, product(Scope, Scope)):
        each = [may(replace(user, scopes=frozenset({scope})), action, thing_of(action)) for scope in (one, other)]
        assert may(replace(user, scopes=frozenset({one, other})), action, thing_of(action)) == any(each)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [(Scope.IDENTITY, Scope.READ), (Scope.READ, Scope.WRITE), (Scope.READ, Scope.READ_PROTECTED),
     (Scope.READ_PROTECTED, Scope.WRITE_PROTECTED), (Scope.WRITE, Scope.WRITE_PROTECTED),
     (Scope.READ, Scope.DEPLOY), (Scope.DEPLOY, Scope.WRITE_PROTECTED), (Scope.WRITE_PROTECTED, Scope.GLOBAL)],
)  # fmt: skip
def test_scopes_are_nested(narrow: Scope, wide: Scope) -> None:
    assert GRANTS[narrow] < GRANTS[wide]


def test_no_scope_but_global_makes_tokens_or_runs_the_server() -> None:
    of_the_server = {Action.ACCOUNT, Action.USERS, Action.ADMIN}
    assert {scope for scope in Scope if GRANTS[scope] & of_the_server} == {Scope.GLOBAL}
