"""The rules: who may do what, how far a token reaches, one pure question."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from types import MappingProxyType

from pushd.model.app import App
from pushd.model.user import Scope, User


class Action(StrEnum):
    """What somebody may want to do; the value reads after "may not"."""

    IDENTITY = "see who you are"
    APPS_LIST = "list apps"
    APP_CREATE = "create apps"
    APP_VIEW = "view this app"
    APP_CHANGE = "change this app"
    APP_RENAME = "rename this app"
    APP_DESTROY = "destroy this app"
    ACCESS_CHANGE = "change who has access to this app"
    CONFIG_READ = "read the config vars of this app"
    CONFIG_CHANGE = "change the config vars of this app"
    RELEASES = "see the releases of this app"
    RELEASE = "release this app"
    PUSH = "push to this app"
    FETCH = "fetch the code of this app"
    LOGS = "read the logs of this app"
    RUN = "run commands in this app"
    ACCOUNT = "use this account"
    ADMIN = "run this server"


class Who(Enum):
    """Whom a rule lets pass; the operator always passes."""

    EVERY_USER = auto()
    COLLABORATOR = auto()  # on the app in question, and its owner
    OWNER = auto()  # of the app in question
    OPERATOR = auto()


A = Action
RULES: Mapping[Action, Who] = MappingProxyType({
    A.APPS_LIST: Who.EVERY_USER, A.APP_CREATE: Who.EVERY_USER, A.IDENTITY: Who.EVERY_USER,
    A.ACCOUNT: Who.EVERY_USER,
    A.APP_VIEW: Who.COLLABORATOR, A.APP_CHANGE: Who.COLLABORATOR,
    A.CONFIG_READ: Who.COLLABORATOR, A.CONFIG_CHANGE: Who.COLLABORATOR,
    A.RELEASES: Who.COLLABORATOR, A.RELEASE: Who.COLLABORATOR, A.PUSH: Who.COLLABORATOR, A.FETCH: Who.COLLABORATOR,
    A.LOGS: Who.COLLABORATOR, A.RUN: Who.COLLABORATOR,
    A.APP_RENAME: Who.OWNER, A.APP_DESTROY: Who.OWNER, A.ACCESS_CHANGE: Who.OWNER,
    A.ADMIN: Who.OPERATOR,
})  # fmt: skip

# Heroku's OAuth scopes: read and write stop short of config vars and releases, and so of all that shows or takes them (a build
# and a one-off dyno do, and whoever is given access). Only a global token may make tokens, so that none can give itself more
# than it has. Buildpacks get a build's config vars, and the URL of a drain or a webhook is often a secret: setting those asks
# for PUSH, seeing these for CONFIG_READ.
_READ = frozenset({A.IDENTITY, A.APPS_LIST, A.APP_VIEW, A.LOGS})
_READ_PROTECTED = _READ | {A.CONFIG_READ, A.RELEASES, A.FETCH}
_ALL_OF_APPS = frozenset(A) - {A.ACCOUNT, A.ADMIN}
GRANTS: Mapping[Scope, frozenset[Action]] = MappingProxyType({
    Scope.GLOBAL: frozenset(A),
    Scope.IDENTITY: frozenset({A.IDENTITY}),
    Scope.READ: _READ,
    Scope.WRITE: _READ | {A.APP_CREATE, A.APP_CHANGE, A.APP_RENAME, A.APP_DESTROY},
    Scope.READ_PROTECTED: _READ_PROTECTED,
    Scope.WRITE_PROTECTED: _ALL_OF_APPS,
})  # fmt: skip


def may(user: User | None, action: Action, app: App | None) -> bool:
    """Whether `user` may do `action`, on `app` if it concerns one, with the token that they came with.

    Nobody without an account may do anything.
    """
    if user is None or not any(action in GRANTS[scope] for scope in user.scopes):
        return False
    if user.is_operator:
        return True
    match RULES[action]:
        case Who.EVERY_USER:
            return True
        case Who.COLLABORATOR:
            return app is not None and (app.owner_id == user.id or user.id in app.collaborator_ids)
        case Who.OWNER:
            return app is not None and app.owner_id == user.id
        case Who.OPERATOR:
            return False
