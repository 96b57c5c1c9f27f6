"""The rules: one table of actions, one pure question."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from types import MappingProxyType

from pushd.model.app import App
from pushd.model.user import User


class Action(StrEnum):
    """What somebody may want to do; the value reads after "may not"."""

    APPS_LIST = "list apps"
    APP_CREATE = "create apps"
    APP_VIEW = "view this app"
    APP_CHANGE = "change this app"
    APP_DESTROY = "destroy this app"
    CONFIG_READ = "read the config vars of this app"
    CONFIG_CHANGE = "change the config vars of this app"
    PUSH = "push to this app"
    FETCH = "fetch the code of this app"
    LOGS = "read the logs of this app"
    RUN = "run commands in this app"
    ACCOUNT = "use this account"
    ADMIN = "run this server"


class Who(Enum):
    """Whom a rule lets pass; the operator always passes."""

    EVERY_USER = auto()
    OWNER = auto()  # of the app in question
    OPERATOR = auto()


A = Action
RULES: Mapping[Action, Who] = MappingProxyType({
    A.APPS_LIST: Who.EVERY_USER, A.APP_CREATE: Who.EVERY_USER, A.ACCOUNT: Who.EVERY_USER,
    A.APP_VIEW: Who.OWNER, A.APP_CHANGE: Who.OWNER, A.APP_DESTROY: Who.OWNER,
    A.CONFIG_READ: Who.OWNER, A.CONFIG_CHANGE: Who.OWNER,
    A.PUSH: Who.OWNER, A.FETCH: Who.OWNER, A.LOGS: Who.OWNER, A.RUN: Who.OWNER,
    A.ADMIN: Who.OPERATOR,
})  # fmt: skip


def may(user: User | None, action: Action, app: App | None) -> bool:
    """Whether `user` may do `action`, on `app` if it concerns one. Nobody without an account may do anything."""
    if user is None:
        return False
    if user.is_operator:
        return True
    match RULES[action]:
        case Who.EVERY_USER:
            return True
        case Who.OWNER:
            return app is not None and app.owner_id == user.id
        case Who.OPERATOR:
            return False
