"""Every path of the API in one table: its method, its handler, and what one must be allowed to do."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action as A
from pushd.api import (
    account,
    apps,
    audit,
    authorizations,
    buildpacks,
    builds,
    changes,
    collaborators,
    config_vars,
    debug,
    disk,
    domains,
    dyno_sizes,
    dynos,
    features,
    formation,
    health,
    keys,
    log_drains,
    log_sessions,
    login,
    output_streams,
    pipeline_couplings,
    pipelines,
    platform,
    promotions,
    protections,
    releases,
    resources,
    runs,
    settings,
    slugs,
    sni_endpoints,
    sources,
    users,
    webhooks,
)
from pushd.api.audited import audited, is_deed
from pushd.api.auth import Handler, guarded
from pushd.api.needs import APP, USER
from pushd.api.urls import guarded_by_url
from pushd.kit.addresses import address_of


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `action` None is for everybody: there is nothing to hide, or the secret in the path is looked up by its handler.

    `purpose`: the path is a signed URL, which is good while its maker may do `action`.
    """

    method: str
    path: str
    handler: Handler
    action: A | None
    takes_password: bool = False  # beside tokens
    purpose: str = ""


ROUTES: tuple[Route, ...] = (
    Route("GET", "/account", account.show, A.IDENTITY),
    Route("PATCH", "/account", account.update, A.ACCOUNT),
    Route("GET", "/users/{user}", account.show_named, A.IDENTITY),
    Route("PATCH", "/users/{user}", account.update, A.ACCOUNT),
    Route("GET", "/account/rate-limits", account.rate_limits, A.IDENTITY),
    Route("GET", "/account/app-transfers", platform.nothing, A.ACCOUNT),
    Route("GET", "/account/invoices", platform.nothing, A.ACCOUNT),
    Route("GET", "/account/features", platform.nothing, A.ACCOUNT),
    Route("GET", "/account/features/{feature}", features.none_of_account, A.ACCOUNT),
    Route("PATCH", "/account/features/{feature}", features.none_of_account, A.ACCOUNT),
    Route("GET", "/account/keys", keys.list_all, A.ACCOUNT),
    Route("POST", "/account/keys", keys.create, A.ACCOUNT),
    Route("GET", "/account/keys/{key}", keys.show, A.ACCOUNT),
    Route("DELETE", "/account/keys/{key}", keys.remove, A.ACCOUNT),
    Route("GET", "/oauth/authorizations", authorizations.list_all, A.ACCOUNT),
    Route("POST", "/oauth/authorizations", authorizations.create, A.ACCOUNT, takes_password=True),
    Route("GET", "/oauth/authorizations/{authorization}", authorizations.show, A.ACCOUNT),
    Route("PATCH", "/oauth/authorizations/{authorization}", authorizations.update, A.ACCOUNT),
    Route("DELETE", "/oauth/authorizations/{authorization}", authorizations.revoke, A.ACCOUNT),
    Route("POST", "/oauth/authorizations/{authorization}/actions/regenerate-tokens", authorizations.regenerate, A.ACCOUNT),
    Route("GET", "/oauth/clients", platform.nothing, A.ACCOUNT),
    Route("POST", "/oauth/clients", authorizations.create_client, A.ACCOUNT),
    Route("GET", "/oauth/clients/{client}", authorizations.no_client, A.ACCOUNT),
    Route("PATCH", "/oauth/clients/{client}", authorizations.no_client, A.ACCOUNT),
    Route("DELETE", "/oauth/clients/{client}", authorizations.no_client, A.ACCOUNT),
    Route("POST", "/oauth/clients/{client}/actions/rotate-credentials", authorizations.no_client, A.ACCOUNT),
    Route("GET", "/oauth/sessions", platform.nothing, A.ACCOUNT),
    Route("DELETE", "/oauth/sessions/{session}", authorizations.no_session, A.ACCOUNT),
    Route("POST", "/password-resets/{token}/actions/finalize", users.finalize, None),
    Route("POST", "/auth", login.begin, None),
    Route("GET", "/auth/browser/{token}", login.show, None),
    Route("POST", "/auth/browser/{token}", login.confirm, None),
    Route("GET", "/auth/cli/{token}", login.collect, None),
    Route("GET", "/regions", platform.list_regions, A.IDENTITY),
    Route("GET", "/regions/{region}", platform.show_region, A.IDENTITY),
    Route("GET", "/stacks", platform.list_stacks, A.IDENTITY),
    Route("GET", "/stacks/{stack}", platform.show_stack, A.IDENTITY),
    Route("GET", "/dyno-sizes", dyno_sizes.list_all, A.IDENTITY),
    Route("GET", "/dyno-sizes/{size}", dyno_sizes.show, A.IDENTITY),
    Route("GET", "/teams", platform.nothing, A.IDENTITY),
    Route("GET", "/spaces", platform.nothing, A.IDENTITY),
    Route("GET", "/enterprise-accounts", platform.nothing, A.IDENTITY),
    Route("GET", "/addon-services", platform.nothing, A.IDENTITY),
    Route("GET", "/users/{user}/addons", platform.nothing, A.APPS_LIST),
    Route("GET", "/addons", platform.nothing, A.APPS_LIST),
    Route("GET", "/addon-attachments", platform.nothing, A.APPS_LIST),

    Route("GET", "/apps", apps.list_all, A.APPS_LIST),
    Route("GET", "/users/{user}/apps", apps.list_own, A.APPS_LIST),
    Route("POST", "/apps", apps.create, A.APP_CREATE),
    Route("GET", "/apps/{app}", apps.show, A.APP_VIEW),
    Route("PATCH", "/apps/{app}", apps.update, A.APP_CHANGE),
    Route("DELETE", "/apps/{app}", apps.destroy, A.APP_DESTROY),

    Route("GET", "/apps/{app}/config-vars", config_vars.show, A.CONFIG_READ),
    Route("PATCH", "/apps/{app}/config-vars", config_vars.update, A.CONFIG_CHANGE),
    Route("GET", "/apps/{app}/releases/{release}/config-vars", config_vars.show_of_release, A.CONFIG_READ),

    Route("GET", "/apps/{app}/releases", releases.list_all, A.RELEASES),
    Route("POST", "/apps/{app}/releases", releases.create, A.RELEASE),
    Route("GET", "/apps/{app}/releases/{release}", releases.show, A.RELEASES),
    Route("POST", "/apps/{app}/slugs", slugs.create, A.RELEASE),
    Route("GET", "/apps/{app}/slugs/{slug}", slugs.show, A.FETCH),
    Route("PUT", "/slugs/{token}", slugs.receive, A.RELEASE, purpose=slugs.PUT),
    Route("GET", "/slugs/{token}", slugs.download, A.FETCH, purpose=slugs.GET),
    Route("POST", "/sources", sources.create, A.APP_CREATE),
    Route("POST", "/apps/{app}/sources", sources.create, A.PUSH),
    Route("PUT", "/sources/{token}", sources.receive, A.IDENTITY, purpose=sources.PUT),
    Route("GET", "/sources/{token}", sources.show, A.IDENTITY, purpose=sources.GET),
    Route("GET", "/apps/{app}/builds", builds.list_all, A.APP_VIEW),
    Route("POST", "/apps/{app}/builds", builds.create, A.PUSH),
    Route("GET", "/apps/{app}/builds/{build}", builds.show, A.APP_VIEW),
    Route("DELETE", "/apps/{app}/builds/{build}", builds.cancel, A.PUSH),
    Route("GET", "/apps/{app}/buildpack-installations", buildpacks.list_all, A.APP_VIEW),
    Route("PUT", "/apps/{app}/buildpack-installations", buildpacks.replace_all, A.PUSH),
    Route("GET", "/buildpacks/{buildpack}", buildpacks.show_registered, None),

    Route("GET", "/apps/{app}/formation", formation.list_all, A.APP_VIEW),
    Route("PATCH", "/apps/{app}/formation", formation.update_all, A.APP_CHANGE),
    Route("GET", "/apps/{app}/formation/{type}", formation.show, A.APP_VIEW),
    Route("PATCH", "/apps/{app}/formation/{type}", formation.update, A.APP_CHANGE),
    Route("GET", "/apps/{app}/available-dyno-sizes", dyno_sizes.list_all, A.APP_VIEW),
    Route("DELETE", "/apps/{app}/formations/{type}", dynos.restart_type, A.APP_CHANGE),
    Route("POST", "/apps/{app}/formations/{type}/actions/stop", dynos.stop_type, A.APP_CHANGE),
    Route("GET", "/apps/{app}/dynos", dynos.list_all, A.APP_VIEW),
    Route("POST", "/apps/{app}/dynos", dynos.create, A.RUN),
    Route("DELETE", "/apps/{app}/dynos", dynos.restart_all, A.APP_CHANGE),
    Route("GET", "/apps/{app}/dynos/{dyno}", dynos.show, A.APP_VIEW),
    Route("POST", "/apps/{app}/dynos/{dyno}", dynos.create_inside, A.RUN),
    Route("DELETE", "/apps/{app}/dynos/{dyno}", dynos.restart, A.APP_CHANGE),
    Route("POST", "/apps/{app}/dynos/{dyno}/actions/stop", dynos.stop, A.APP_CHANGE),

    Route("POST", "/apps/{app}/log-sessions", log_sessions.create, A.LOGS),
    Route("GET", "/logs/{token}", log_sessions.stream, A.LOGS, purpose=log_sessions.PURPOSE),
    Route("GET", "/streams/builds/{token}", output_streams.stream_build, A.APP_VIEW, purpose="builds"),
    Route("GET", "/streams/releases/{token}", output_streams.stream_release, A.RELEASES, purpose="releases"),

    Route("GET", "/apps/{app}/collaborators", collaborators.list_all, A.APP_VIEW),
    Route("POST", "/apps/{app}/collaborators", collaborators.create, A.ACCESS_CHANGE),
    Route("GET", "/apps/{app}/collaborators/{collaborator}", collaborators.show, A.APP_VIEW),
    Route("DELETE", "/apps/{app}/collaborators/{collaborator}", collaborators.remove, A.APP_CHANGE),
    Route("GET", "/apps/{app}/domains", domains.list_all, A.APP_VIEW),
    Route("POST", "/apps/{app}/domains", domains.create, A.APP_CHANGE),
    Route("GET", "/apps/{app}/domains/{domain}", domains.show, A.APP_VIEW),
    Route("PATCH", "/apps/{app}/domains/{domain}", domains.update, A.APP_CHANGE),
    Route("DELETE", "/apps/{app}/domains/{domain}", domains.remove, A.APP_CHANGE),
    Route("GET", "/apps/{app}/sni-endpoints", sni_endpoints.list_all, A.APP_VIEW),
    Route("POST", "/apps/{app}/sni-endpoints", sni_endpoints.create, A.APP_CHANGE),
    Route("GET", "/apps/{app}/sni-endpoints/{sni_endpoint}", sni_endpoints.show, A.APP_VIEW),
    Route("PATCH", "/apps/{app}/sni-endpoints/{sni_endpoint}", sni_endpoints.update, A.APP_CHANGE),
    Route("DELETE", "/apps/{app}/sni-endpoints/{sni_endpoint}", sni_endpoints.remove, A.APP_CHANGE),
    Route("POST", "/apps/{app}/acm", sni_endpoints.refuse_acm, A.APP_CHANGE),
    Route("PATCH", "/apps/{app}/acm", sni_endpoints.refuse_acm, A.APP_CHANGE),
    Route("DELETE", "/apps/{app}/acm", sni_endpoints.disable_acm, A.APP_CHANGE),
    Route("GET", "/apps/{app}/log-drains", log_drains.list_all, A.CONFIG_READ),
    Route("POST", "/apps/{app}/log-drains", log_drains.create, A.APP_CHANGE),
    Route("GET", "/apps/{app}/log-drains/{drain}", log_drains.show, A.CONFIG_READ),
    Route("DELETE", "/apps/{app}/log-drains/{drain}", log_drains.remove, A.APP_CHANGE),
    Route("GET", "/apps/{app}/available-stacks", platform.list_stacks, A.APP_VIEW),
    Route("GET", "/apps/{app}/addons", platform.nothing, A.APP_VIEW),
    Route("GET", "/apps/{app}/addon-attachments", platform.nothing, A.APP_VIEW),
    Route("GET", "/apps/{app}/features", features.list_all, A.APP_VIEW),
    Route("GET", "/apps/{app}/features/{feature}", features.show, A.APP_VIEW),
    Route("PATCH", "/apps/{app}/features/{feature}", features.update, A.APP_CHANGE),
    Route("GET", "/apps/{app}/telemetry-drains", platform.nothing, A.APP_VIEW),
    Route("GET", "/apps/{app}/webhooks", webhooks.list_all, A.CONFIG_READ),
    Route("POST", "/apps/{app}/webhooks", webhooks.create, A.APP_CHANGE),
    Route("GET", "/apps/{app}/webhooks/{webhook}", webhooks.show, A.CONFIG_READ),
    Route("PATCH", "/apps/{app}/webhooks/{webhook}", webhooks.update, A.APP_CHANGE),
    Route("DELETE", "/apps/{app}/webhooks/{webhook}", webhooks.destroy, A.APP_CHANGE),
    Route("GET", "/apps/{app}/webhook-events", webhooks.list_events, A.RELEASES),
    Route("GET", "/apps/{app}/webhook-events/{event}", webhooks.show_event, A.RELEASES),
    Route("GET", "/apps/{app}/webhook-deliveries", webhooks.list_deliveries, A.APP_VIEW),
    Route("GET", "/apps/{app}/webhook-deliveries/{delivery}", webhooks.show_delivery, A.APP_VIEW),
    Route("GET", "/apps/{app}/pipeline-couplings", pipeline_couplings.show_of_app, A.APP_VIEW),

    Route("GET", "/pipelines", pipelines.list_all, A.APPS_LIST),
    Route("POST", "/pipelines", pipelines.create, A.APP_CREATE),
    Route("GET", "/pipelines/{pipeline}", pipelines.show, A.APPS_LIST),
    Route("PATCH", "/pipelines/{pipeline}", pipelines.update, A.APP_CREATE),
    Route("DELETE", "/pipelines/{pipeline}", pipelines.destroy, A.APP_CREATE),
    Route("GET", "/pipelines/{pipeline}/pipeline-couplings", pipeline_couplings.list_of_pipeline, A.APPS_LIST),
    Route("GET", "/users/~/pipeline-couplings", pipeline_couplings.list_all, A.APPS_LIST),
    Route("GET", "/pipeline-couplings", pipeline_couplings.list_all, A.APPS_LIST),
    Route("POST", "/pipeline-couplings", pipeline_couplings.create, A.APPS_LIST),
    Route("GET", "/pipeline-couplings/{coupling}", pipeline_couplings.show, A.APPS_LIST),
    Route("PATCH", "/pipeline-couplings/{coupling}", pipeline_couplings.update, A.APPS_LIST),
    Route("DELETE", "/pipeline-couplings/{coupling}", pipeline_couplings.destroy, A.APPS_LIST),
    Route("POST", "/pipeline-promotions", promotions.create, A.APPS_LIST),
    Route("GET", "/pipeline-promotions/{promotion}", promotions.show, A.APPS_LIST),
    Route("GET", "/pipeline-promotions/{promotion}/promotion-targets", promotions.list_targets, A.APPS_LIST),
    Route("POST", "/filters/apps", apps.list_chosen, A.APPS_LIST),

    Route("GET", "/-/runs/{secret}", runs.attach, None),
    Route("GET", "/-/health", health.show, None),
    Route("GET", "/-/ca.pem", health.authority, None),
    Route("GET", "/-/metrics", health.metrics, A.ADMIN),
    Route("GET", "/-/debug", debug.show, A.ADMIN),
    Route("GET", "/-/disk", disk.show, A.ADMIN),
    Route("GET", "/-/audit", audit.show, A.ADMIN),
    Route("GET", "/-/users", users.list_all, A.USERS),
    Route("POST", "/-/users", users.create, A.USERS),
    Route("GET", "/-/users/{user}", users.show, A.USERS),
    Route("PATCH", "/-/users/{user}", users.update, A.USERS),
    Route("DELETE", "/-/users/{user}", users.remove, A.USERS),
    Route("POST", "/-/users/{user}/invitations", users.invite, A.USERS),
    Route("GET", "/-/changes/{change}", changes.show, A.APPS_LIST),
    Route("GET", "/-/apps/{app}/audit", audit.show_of_app, A.APP_CHANGE),
    Route("GET", "/-/apps/{app}/disk", disk.show_of_app, A.APP_VIEW),
    Route("GET", "/-/apps/{app}/protections", protections.show, A.APP_VIEW),
    Route("GET", "/-/apps/{app}/resources", resources.show, A.APP_VIEW),
    Route("PATCH", "/-/apps/{app}/resources/{type}", resources.update, A.APP_CHANGE),
    Route("GET", "/-/apps/{app}/settings", settings.show, A.APP_VIEW),
    Route("PATCH", "/-/apps/{app}/settings", settings.update, A.APP_CHANGE),
)  # fmt: skip


_UNCOUNTED = frozenset({"/account/rate-limits"})


def add_routes(application: web.Application) -> None:
    """Put the table into the application, each handler behind its guard; what a GET answers with JSON, HEAD asks for too."""
    for route in ROUTES:
        handler = route.handler
        deed = f"{route.method} {route.path}" if is_deed(route.method, route.path) else None
        if route.action is not None and route.purpose:
            handler = guarded_by_url(_audited(handler, deed) if deed else handler, route.action, route.purpose)
        elif route.action is not None:
            counted = route.path not in _UNCOUNTED
            handler = guarded(route.handler, route.action, counted=counted, takes_password=route.takes_password, deed=deed)
        application.router.add_route(route.method, route.path, handler)
        if route.method == "GET" and not route.path.endswith(("{token}", "{secret}")):
            application.router.add_route("HEAD", route.path, handler)


def _audited(handler: Handler, deed: str) -> Handler:
    """`handler`, for which a URL has said who asks."""

    async def enter(request: web.Request) -> web.StreamResponse:
        return await audited(
            request, handler, action=deed, source=address_of(request.remote), user=request[USER], app=request.get(APP)
        )

    return enter
