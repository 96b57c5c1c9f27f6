"""The rules: who may do what, how far a token reaches, one pure question."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from uuid import UUID

from pushd.model.app import App
from pushd.model.pipeline import Pipeline
from pushd.model.user import Scope, User

Thing = App | Pipeline  # what an action may concern


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
    PIPELINE_VIEW = "view this pipeline"
    PIPELINE_CHANGE = "change this pipeline"
    ACCOUNT = "use this account"
    USERS = "see and change who has an account here"
    ADMIN = "run this server"


class Who(Enum):
    """Whom a rule lets pass; admins always pass."""

    EVERY_USER = auto()
    COLLABORATOR = auto()  # on the app in question, and its owner
    OWNER = auto()  # of the app or pipeline in question
    ADMIN = auto()


A = Action
RULES: Mapping[Action, Who] = MappingProxyType({
    A.APPS_LIST: Who.EVERY_USER, A.APP_CREATE: Who.EVERY_USER, A.IDENTITY: Who.EVERY_USER,
    A.ACCOUNT: Who.EVERY_USER,
    A.APP_VIEW: Who.COLLABORATOR, A.APP_CHANGE: Who.COLLABORATOR,
    A.CONFIG_READ: Who.COLLABORATOR, A.CONFIG_CHANGE: Who.COLLABORATOR,
    A.RELEASES: Who.COLLABORATOR, A.RELEASE: Who.COLLABORATOR, A.PUSH: Who.COLLABORATOR, A.FETCH: Who.COLLABORATOR,
    A.LOGS: Who.COLLABORATOR, A.RUN: Who.COLLABORATOR,
    A.APP_RENAME: Who.OWNER, A.APP_DESTROY: Who.OWNER, A.ACCESS_CHANGE: Who.OWNER,
    A.PIPELINE_VIEW: Who.OWNER, A.PIPELINE_CHANGE: Who.OWNER,
    A.USERS: Who.ADMIN, A.ADMIN: Who.ADMIN,
})  # fmt: skip

# Heroku's OAuth scopes: read and write stop short of config vars and releases, and so of all that shows or takes them (a build
# and a one-off dyno do, and whoever is given access). Only a global token may make tokens, so that none can give itself more
# than it has. Buildpacks get a build's config vars, and the URL of a drain or a webhook is often a secret: setting those asks
# for PUSH, seeing these for CONFIG_READ. `deploy` is ours: for whatever pushes, tests or rolls back, and changes nothing else.
_READ = frozenset({A.IDENTITY, A.APPS_LIST, A.APP_VIEW, A.LOGS, A.PIPELINE_VIEW})
_READ_PROTECTED = _READ | {A.CONFIG_READ, A.RELEASES, A.FETCH}
_ALL_OF_APPS = frozenset(A) - {A.ACCOUNT, A.USERS, A.ADMIN}
GRANTS: Mapping[Scope, frozenset[Action]] = MappingProxyType({
    Scope.GLOBAL: frozenset(A),
    Scope.IDENTITY: frozenset({A.IDENTITY}),
    Scope.READ: _READ,
    Scope.WRITE: _READ | {A.APP_CREATE, A.APP_CHANGE, A.APP_RENAME, A.APP_DESTROY, A.PIPELINE_CHANGE},
    Scope.READ_PROTECTED: _READ_PROTECTED,
    Scope.WRITE_PROTECTED: _ALL_OF_APPS,
    Scope.DEPLOY: _READ | {A.RELEASES, A.RELEASE, A.PUSH, A.FETCH},
})  # fmt: skip

# What a token of one app is good for beside that app: to say whose it is, and to list that app.
BESIDE_ITS_APP = frozenset({A.IDENTITY, A.APPS_LIST})


def may(user: User | None, action: Action, thing: Thing | None) -> bool:
    """Whether `user` may do `action`, on the app or pipeline that it concerns, with the token that they came with.

    Nobody without an account may do anything.
    """
    if user is None or not any(action in GRANTS[scope] for scope in user.scopes):
        return False
    if user.only_app_id is not None and action not in BESIDE_ITS_APP and not _is_app(thing, user.only_app_id):
        return False
    if user.is_admin:
        return True
    match RULES[action]:
        case Who.EVERY_USER:
            return True
        case Who.COLLABORATOR:
            return isinstance(thing, App) and (thing.owner_id == user.id or user.id in thing.collaborator_ids)
        case Who.OWNER:
            return thing is not None and thing.owner_id == user.id
        case Who.ADMIN:
            return False


def _is_app(thing: Thing | None, app_id: UUID) -> bool:
    return isinstance(thing, App) and thing.id == app_id
