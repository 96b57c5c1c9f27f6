"""Commands that Heroku's users know and that one machine does not offer (yet): what to say, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pushd.errors import PushdError

_ADD_ON = (
    "There are no add-ons on this server yet.",
    "Run the service yourself and set its address: config:set DATABASE_URL=...",
)
_TEAM = ("There are no teams on this server.", "Share an app with `access:add`.")
_TEAM_APP = ("Apps of this server belong to no team.", "Share an app with `access:add`.")
_FORWARD = ("Dynos of this server take no SSH connections.", "Use `run:inside` for a command in a running dyno.")
_DASHBOARD = ("This server has no dashboard yet.", "`pushd help` lists what the command line shows.")
_TWO_FACTORS = ("There is no two-factor authentication on this server.", "Tokens alone open it; let them expire.")
_BRANCH = ("Pipelines of this server follow no repository elsewhere.", "Push with git, then `pipelines:promote`.")

# A name stands for all that begins with it and a colon; the longest that fits is taken.
NOT_OFFERED: Mapping[str, tuple[str, str]] = MappingProxyType({
    "addons": _ADD_ON, "pg": _ADD_ON, "redis": _ADD_ON, "data": _ADD_ON,
    "teams": _TEAM, "members": _TEAM, "orgs": _TEAM, "enterprise": _TEAM,
    "apps:join": _TEAM_APP, "apps:leave": _TEAM_APP, "apps:lock": _TEAM_APP, "apps:unlock": _TEAM_APP,
    "join": _TEAM_APP, "leave": _TEAM_APP, "lock": _TEAM_APP, "unlock": _TEAM_APP,
    "apps:transfer": ("Apps cannot be given to another user on this server.", "Share one with `access:add`."),
    "apps:diff": ("This server does not compare apps.", "Compare `releases:info` of both."),
    "spaces": ("There are no private spaces on this server.", "Apps run on this one machine, isolated from each other."),
    "ci": ("There is no CI on this server.", "Run the tests in a CI of your own and let it push when they pass."),
    "reviewapps": ("There are no review apps on this server.", "Create an app for the branch: git push REMOTE BRANCH:main"),
    "container": ("This server runs no container images.", "Push the code with git: a buildpack makes the slug."),
    "telemetry": ("There are no telemetry drains on this server.", "`pushd logs -t` follows an app's log."),
    "usage": ("This server bills nobody, and counts no use.", "`pushd ps` shows what runs."),
    "ps:autoscale": ("Dynos of this server are not scaled by load.", "Scale with `ps:scale`."),
    "ps:exec": _FORWARD, "ps:copy": _FORWARD, "ps:forward": _FORWARD, "ps:socks": _FORWARD,
    "pipelines:connect": _BRANCH, "pipelines:setup": _BRANCH, "pipelines:diff": _BRANCH,
    "auth:2fa": _TWO_FACTORS, "2fa": _TWO_FACTORS, "twofactor": _TWO_FACTORS,
    "clients": ("There are no OAuth clients on this server.", "Give a program a token: `authorizations:create`."),
    "sessions": ("Tokens have no sessions on this server.", "`authorizations` lists them."),
    "dashboard": _DASHBOARD, "notifications": _DASHBOARD, "apps:favorites": _DASHBOARD, "apps:errors": _DASHBOARD,
    "accounts": ("There is one account per server.", "Switch with --host, PUSHD_HOST or PUSHD_API_KEY."),
    "local": ("pushd does not run apps on your own machine.", "Read the Procfile with honcho: honcho start"),
})  # fmt: skip


class NotOffered(PushdError):
    """A command of Heroku's that we do not have on purpose."""


def maybe_not_offered(name: str) -> NotOffered | None:
    """Why there is no such command, if it is one that Heroku has."""
    parts = name.split(":")
    for end in range(len(parts), 0, -1):
        if told := NOT_OFFERED.get(":".join(parts[:end])):
            return NotOffered(told[0], remedy=told[1])
    return None
