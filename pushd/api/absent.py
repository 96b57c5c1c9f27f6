"""What Heroku offers and one machine does not (yet): each with the one sentence that its users then read."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.auth import Handler, guarded
from pushd.errors import InvalidParams, NotFound, PushdError


@dataclass(frozen=True, slots=True)
class Absent:
    """One row. `resource` makes it a 404 for that kind of thing, "" a 422: what was sent can never be accepted here."""

    method: str  # or "*"
    path: str
    message: str
    remedy: str
    resource: str = ""

    @property
    def error(self) -> PushdError:
        if self.resource:
            return NotFound(self.message, resource=self.resource, remedy=self.remedy)
        return InvalidParams(self.message, remedy=self.remedy)

    @property
    def action(self) -> Action:
        return Action.APP_VIEW if "{app}" in self.path else Action.IDENTITY


_NO_ADD_ONS = "There are no add-ons on this server yet."
_RUN_IT = "Run the service yourself and give the app its address: config:set DATABASE_URL=... (or REDIS_URL, ...)."
_NO_DATABASE = "There are no databases of this server's own yet."
_NO_TEAMS = "There are no teams on this server."
_SHARE = "Share an app with `access:add` instead."
_NO_TEAM_APP = "That app belongs to no team."
_NEITHER = "There are neither teams nor private spaces on this server."
_NO_ENTERPRISE = "There are no enterprise accounts on this server."
_NO_SPACES = "There are no private spaces on this server: apps run on this one machine, isolated from each other."
_LEAVE_OUT = "Leave --space out."
_NO_TRANSFER = "Apps cannot be given to another user on this server."
_NO_CI = "There is no CI on this server."
_OWN_CI = "Run the tests in a CI of your own, and let it push or create a build when they pass."
_NO_REVIEW_APPS = "There are no review apps on this server."
_OWN_APP = "Create an app for the branch and push to it: git push REMOTE BRANCH:main."
_NO_REPOSITORY = "Pipelines of this server follow no repository."
_NO_TELEMETRY = "There are no telemetry drains on this server."
_LOG_DRAIN = "`logs --tail` follows an app's log."
_NO_IMAGES = "This server runs no container images."
_PUSH = "Push the code with git: a buildpack makes the slug."
_NO_BILLS = "This server bills nobody."
_NOTHING_TO_PAY = "There is nothing to pay."
_NO_SIGN_UP = "Accounts of this server are made and removed by its admins."
_ADMIN = "Ask an admin of this server."
_NO_MAIL = "This server sends no mail."
_INVITE = "Ask an admin of this server for an invitation: `pushd users:invite` makes one."
_NO_CLIENTS = "This server gives no tokens to OAuth clients."
_MAKE_ONE = "Make one: authorizations:create."
_NO_SETUPS = "There are no app setups on this server."
_CREATE = "Create the app, set its config vars, push."

ABSENT: tuple[Absent, ...] = (
    Absent("POST", "/apps/{app}/addons", _NO_ADD_ONS, _RUN_IT),
    Absent("*", "/apps/{app}/addons/{rest:.+}", _NO_ADD_ONS, _RUN_IT, "add_on"),
    Absent("GET", "/apps/{app}/addon-attachments/{rest:.+}", _NO_ADD_ONS, _RUN_IT, "attachment"),
    Absent("*", "/addons/{rest:.+}", _NO_ADD_ONS, _RUN_IT, "add_on"),
    Absent("POST", "/addon-attachments", _NO_ADD_ONS, _RUN_IT),
    Absent("*", "/addon-attachments/{rest:.+}", _NO_ADD_ONS, _RUN_IT, "attachment"),
    Absent("POST", "/actions/addons/resolve", _NO_ADD_ONS, _RUN_IT, "add_on"),
    Absent("POST", "/actions/addon-attachments/resolve", _NO_ADD_ONS, _RUN_IT, "attachment"),
    Absent("GET", "/addon-services/{rest:.+}", _NO_ADD_ONS, _RUN_IT, "add_on_service"),
    Absent("GET", "/plans/{plan}", _NO_ADD_ONS, _RUN_IT, "plan"),
    Absent("*", "/client/v11/{rest:.+}", _NO_DATABASE, _RUN_IT, "database"),
    Absent("*", "/postgres/{rest:.+}", _NO_DATABASE, _RUN_IT, "database"),
    Absent("*", "/redis/{rest:.+}", _NO_DATABASE, _RUN_IT, "database"),
    Absent("*", "/data/{rest:.+}", _NO_DATABASE, _RUN_IT, "database"),

    Absent("GET", "/teams/apps/{app}", _NO_TEAM_APP, _SHARE, "team_app"),
    Absent("POST", "/teams/apps", _NEITHER, "Leave --team and --space out."),
    Absent("PATCH", "/teams/apps/{app}", _NO_TEAM_APP, _SHARE),
    Absent("*", "/teams/apps/{app}/{rest:.+}", _NO_TEAM_APP, _SHARE),
    Absent("POST", "/teams", _NO_TEAMS, _SHARE),
    Absent("*", "/teams/{rest:.+}", _NO_TEAMS, _SHARE, "team"),
    Absent("*", "/enterprise-accounts/{rest:.+}", _NO_ENTERPRISE, _SHARE, "enterprise_account"),
    Absent("POST", "/spaces", _NO_SPACES, _LEAVE_OUT),
    Absent("*", "/spaces/{rest:.+}", _NO_SPACES, _LEAVE_OUT, "space"),
    Absent("POST", "/account/app-transfers", _NO_TRANSFER, _SHARE),
    Absent("*", "/account/app-transfers/{transfer}", _NO_TRANSFER, _SHARE, "app_transfer"),
    Absent("POST", "/pipeline-transfers", "Pipelines cannot be given to another user on this server.", _SHARE),

    Absent("*", "/test-runs", _NO_CI, _OWN_CI),
    Absent("*", "/test-runs/{rest:.+}", _NO_CI, _OWN_CI, "test_run"),
    Absent("*", "/pipelines/{pipeline}/test-runs", _NO_CI, _OWN_CI, "test_run"),
    Absent("*", "/pipelines/{pipeline}/test-runs/{rest:.+}", _NO_CI, _OWN_CI, "test_run"),
    Absent("*", "/pipelines/{pipeline}/stage/{rest:.+}", _NO_CI, "Set config vars on an app: config:set -a APP.", "config_var"),
    Absent("*", "/pipelines/{pipeline}/repo", _NO_REPOSITORY, _OWN_APP, "repository"),
    Absent("*", "/pipelines/{pipeline}/repo/{rest:.+}", _NO_REPOSITORY, _OWN_APP, "repository"),
    Absent("*", "/pipelines/{pipeline}/review-app-config", _NO_REVIEW_APPS, _OWN_APP, "review_app_config"),
    Absent("GET", "/pipelines/{pipeline}/review-apps", _NO_REVIEW_APPS, _OWN_APP, "review_app"),
    Absent("*", "/review-apps", _NO_REVIEW_APPS, _OWN_APP),
    Absent("*", "/review-apps/{rest:.+}", _NO_REVIEW_APPS, _OWN_APP, "review_app"),
    Absent("GET", "/apps/{app}/review-app", _NO_REVIEW_APPS, _OWN_APP, "review_app"),
    Absent("*", "/app-setups", _NO_SETUPS, _CREATE),
    Absent("*", "/app-setups/{rest:.+}", _NO_SETUPS, _CREATE, "app_setup"),
    Absent("*", "/apps/{app}/oci-images", _NO_IMAGES, _PUSH),
    Absent("*", "/apps/{app}/oci-images/{rest:.+}", _NO_IMAGES, _PUSH, "oci_image"),

    Absent("POST", "/telemetry-drains", _NO_TELEMETRY, _LOG_DRAIN),
    Absent("*", "/telemetry-drains/{drain}", _NO_TELEMETRY, _LOG_DRAIN, "telemetry_drain"),
    Absent("*", "/account/credits", _NO_BILLS, _NOTHING_TO_PAY),
    Absent("*", "/account/credits/{credit}", _NO_BILLS, _NOTHING_TO_PAY, "credit"),
    Absent("*", "/account/invoice-address", _NO_BILLS, _NOTHING_TO_PAY, "invoice_address"),
    Absent("GET", "/account/invoices/{invoice}", _NO_BILLS, _NOTHING_TO_PAY, "invoice"),
    Absent("GET", "/apps/{app}/usage", _NO_BILLS, _NOTHING_TO_PAY, "usage"),
    Absent("DELETE", "/account", _NO_SIGN_UP, _ADMIN),
    Absent("DELETE", "/users/{user}", _NO_SIGN_UP, _ADMIN),
    Absent("*", "/users/{user}/sms-number", _NO_SIGN_UP, _ADMIN, "sms_number"),
    Absent("*", "/users/{user}/sms-number/{rest:.+}", _NO_SIGN_UP, _ADMIN, "sms_number"),
    Absent("*", "/password-resets", _NO_MAIL, _INVITE),
    Absent("*", "/password-resets/{rest:.+}", _NO_MAIL, _INVITE),
    Absent("*", "/oauth/tokens", _NO_CLIENTS, _MAKE_ONE),
    Absent("*", "/oauth/tokens/{token}", _NO_CLIENTS, _MAKE_ONE, "oauth_token"),
)  # fmt: skip


def add_absent(application: web.Application) -> None:
    """Answer for all of these, behind the same door as everything else."""
    for row in ABSENT:
        application.router.add_route(row.method, row.path, guarded(_refusal(row), row.action))


def _refusal(row: Absent) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise row.error

    return refuse
