"""Every command once: its topic, its name, where it is, and Heroku's short names for some."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# topic (a heading of `pushd help`) -> command -> "module:function", the module below pushd/cli
TOPICS: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "Apps": {
        "apps": "apps:list_apps", "apps:create": "apps:create", "apps:info": "apps:info", "apps:destroy": "apps:destroy",
        "apps:rename": "apps:rename", "apps:open": "apps:open_app", "git:remote": "git:remote",
        "git:clone": "git:clone",
        "maintenance": "maintenance:show", "maintenance:on": "maintenance:turn_on", "maintenance:off": "maintenance:turn_off",
    },
    "Domains and certificates": {
        "domains": "domains:list_domains", "domains:add": "domains:add", "domains:info": "domains:info",
        "domains:update": "domains:update", "domains:wait": "domains:wait", "domains:remove": "domains:remove",
        "domains:clear": "domains:clear",
        "certs": "certs:list_certs", "certs:add": "certs:add", "certs:info": "certs:info", "certs:update": "certs:update",
        "certs:remove": "certs:remove", "certs:generate": "certs_generate:generate", "certs:auto": "certs_auto:show",
        "certs:auto:enable": "certs_auto:enable", "certs:auto:disable": "certs_auto:disable",
        "certs:auto:refresh": "certs_auto:refresh",
    },
    "Config vars and settings": {
        "config": "config:show", "config:get": "config:get", "config:set": "config:set_vars",
        "config:unset": "config:unset", "config:edit": "config_edit:edit",
        "settings": "app_settings:show", "settings:set": "app_settings:set_settings",
        "settings:unset": "app_settings:unset",
    },
    "Dynos and logs": {
        "ps": "ps:show", "ps:scale": "formation:scale", "ps:type": "formation:size", "ps:restart": "ps:restart",
        "ps:stop": "ps:stop", "ps:wait": "ps_wait:wait",
        "resources": "resources:show", "resources:set": "resources:set_resources", "resources:unset": "resources:unset",
        "run": "run:run", "run:inside": "run:inside", "run:detached": "run:detached", "logs": "logs:logs",
        "drains": "drains:list_drains", "drains:add": "drains:add", "drains:remove": "drains:remove",
    },
    "Releases and builds": {
        "releases": "releases:list_releases", "releases:info": "releases:info", "releases:output": "releases:output",
        "releases:rollback": "releases:rollback", "releases:retry": "releases:retry",
        "builds": "builds:list_builds", "builds:info": "builds:info", "builds:output": "builds:output",
        "builds:create": "builds_create:create", "builds:cancel": "builds_create:cancel",
        "buildpacks": "buildpacks:list_buildpacks", "buildpacks:add": "buildpacks:add",
        "buildpacks:set": "buildpacks:set_buildpack", "buildpacks:remove": "buildpacks:remove",
        "buildpacks:clear": "buildpacks:clear",
    },
    "Pipelines and webhooks": {
        "pipelines": "pipelines:list_pipelines", "pipelines:create": "pipelines:create", "pipelines:add": "pipelines:add",
        "pipelines:remove": "pipelines:remove", "pipelines:update": "pipelines:update", "pipelines:info": "pipelines:info",
        "pipelines:rename": "pipelines:rename", "pipelines:destroy": "pipelines:destroy",
        "pipelines:promote": "promote:promote",
        "webhooks": "webhooks:list_webhooks", "webhooks:add": "webhooks:add", "webhooks:info": "webhooks:info",
        "webhooks:update": "webhooks:update", "webhooks:remove": "webhooks:remove",
        "webhooks:deliveries": "webhooks:deliveries", "webhooks:deliveries:info": "webhooks:delivery_info",
        "webhooks:events": "webhooks:events", "webhooks:events:info": "webhooks:event_info",
    },
    "Access": {
        "access": "access:list_access", "access:add": "access:add", "access:remove": "access:remove",
        "users": "users:list_users", "users:add": "users:add", "users:invite": "users:invite", "users:admin": "users:admin",
        "users:remove": "users:remove",
    },
    "Account": {
        "auth:login": "login:login", "auth:logout": "login:logout", "auth:whoami": "login:whoami", "auth:token": "login:token",
        "auth:password": "login:password",
        "authorizations": "authorizations:list_authorizations", "authorizations:create": "authorizations:create",
        "authorizations:info": "authorizations:info", "authorizations:update": "authorizations:update",
        "authorizations:rotate": "authorizations:rotate", "authorizations:revoke": "authorizations:revoke",
        "keys": "keys:list_keys", "keys:add": "keys:add", "keys:remove": "keys:remove", "keys:clear": "keys:clear",
    },
    "Features and platform": {
        "features": "features:list_features", "features:info": "features:info", "features:enable": "features:enable",
        "features:disable": "features:disable", "labs": "features:list_labs",
        "apps:stacks": "platform:stacks", "apps:stacks:set": "platform:set_stack", "regions": "platform:regions",
        "addons": "platform:addons",
    },
    "Server and shell": {
        "serve": "serve:serve", "install-service": "install_service:install_service",
        "uninstall-service": "install_service:uninstall_service", "df": "df:df", "audit": "audit:audit",
        "secret-key:rotate": "secret_key:rotate",
        "demo": "demo:demo", "drill": "drill.command:drill",
        "shell-init": "shell_init:shell_init", "version": "about:version",
        "help": "about:help_", "heroku-env": "heroku_env:heroku_env", "git:credentials": "git:credentials",
    },
})  # fmt: skip

HIDDEN: Mapping[str, str] = MappingProxyType({"hook": "git:hook", "complete:apps": "completion:apps"})

ALIASES: Mapping[str, str] = MappingProxyType({
    "create": "apps:create", "info": "apps:info", "destroy": "apps:destroy", "rename": "apps:rename", "open": "apps:open",
    "login": "auth:login", "logout": "auth:logout", "whoami": "auth:whoami", "authorizations:destroy": "authorizations:revoke",
    "labs:info": "features:info", "labs:enable": "features:enable", "labs:disable": "features:disable",
    "stack": "apps:stacks", "stack:set": "apps:stacks:set",
    "list": "apps", "apps:list": "apps", "apps:delete": "apps:destroy",
    "config:add": "config:set", "config:remove": "config:unset",
    "scale": "ps:scale", "dyno:scale": "ps:scale", "resize": "ps:type", "ps:resize": "ps:type", "dyno:type": "ps:type",
    "dyno:resize": "ps:type", "restart": "ps:restart", "dyno:restart": "ps:restart",
    "stop": "ps:stop", "kill": "ps:stop", "ps:kill": "ps:stop", "dyno:stop": "ps:stop", "dyno:kill": "ps:stop",
    "rollback": "releases:rollback",
})  # fmt: skip

COMMANDS: Mapping[str, str] = MappingProxyType({name: where for topic in TOPICS.values() for name, where in topic.items()})


def names() -> list[str]:
    """Everything that may be typed after `pushd`, long names and short ones, sorted."""
    return sorted([*COMMANDS, *ALIASES])


def maybe_command(name: str) -> tuple[str, str] | None:
    """The long name of a command and where it is, or None."""
    name = ALIASES.get(name, name)
    where = COMMANDS.get(name) or HIDDEN.get(name)
    return (name, where) if where else None
