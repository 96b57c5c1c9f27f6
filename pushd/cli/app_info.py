"""What `apps:info` tells of an app: for a person, for a shell, for a program."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from pushd.cli import render
from pushd.client.client import Client
from pushd.client.shapes import AppShape


def rows(client: Client, app: AppShape, *, git_url: str) -> dict[str, object]:
    """Titles and texts, in Heroku's order; lists that are empty have no row."""
    lists = {"Addons": _addons(client, app), "Collaborators": _collaborators(client, app)}
    shown: dict[str, object] = {title: ", ".join(each) for title, each in lists.items() if each}
    return shown | {
        "Auto Cert Mgmt": str(bool(app["acm"])).lower(),
        "Git URL": git_url,
        "Web URL": app["web_url"] or "",
        "Repo Size": render.size(app["repo_size"]),
        "Slug Size": render.size(app["slug_size"]),
        "Owner": app["owner"]["email"],
        "Region": app["region"]["name"],
        "Dynos": ", ".join(f"{kind}: {count}" for kind, count in _dynos(client, app).items()) or "none",
        "Stack": app["stack"]["name"],
        "Maintenance": "on" if app["maintenance"] else "off",
        "Created": render.when(app["created_at"]),
        **_protections(client, app),
    }


def print_shell(client: Client, app: AppShape) -> None:
    """`name=value` lines; unlike Heroku's they can be evaluated, and sizes are bytes."""
    lines = {
        "name": app["name"],
        "auto_cert_mgmt": str(bool(app["acm"])).lower(),
        "addons": ",".join(_addons(client, app)),
        "collaborators": ",".join(_collaborators(client, app)),
        "git_url": app["git_url"],
        "web_url": app["web_url"] or "",
        "repo_size": str(app["repo_size"] or 0),
        "slug_size": str(app["slug_size"] or 0),
        "owner": app["owner"]["email"],
        "region": app["region"]["name"],
        "dynos": " ".join(f"{kind}={count}" for kind, count in _dynos(client, app).items()),
        "stack": app["stack"]["name"],
        "maintenance": "on" if app["maintenance"] else "off",
    }
    for key, value in lines.items():
        render.out(f"{key}={shlex.quote(value)}")


def as_json(client: Client, app: AppShape) -> dict[str, Any]:
    """The app as the API has it, and Heroku's object around it in the same one."""
    return {
        **app,
        "app": app,
        "addons": client.addons(app["id"]),
        "collaborators": client.collaborators(app["id"]).all(),
        "dynos": client.dynos(app["id"]),
        "pipeline_coupling": client.maybe_coupling(app["id"]),
        "protections": client.protections(app["id"]),
    }


def _addons(client: Client, app: AppShape) -> list[str]:
    return sorted(addon["plan"]["name"] for addon in client.addons(app["id"]))


def _collaborators(client: Client, app: AppShape) -> list[str]:
    """All but the owner."""
    emails = {each["user"]["email"] for each in client.collaborators(app["id"]).all()}
    return sorted(emails - {app["owner"]["email"]})


def _dynos(client: Client, app: AppShape) -> dict[str, int]:
    return dict(sorted(Counter(dyno["type"] for dyno in client.dynos(app["id"])).items()))


def _protections(client: Client, app: AppShape) -> dict[str, str]:
    """Two rows: what keeps this app and others apart, and what does not, with the reason."""
    found = client.protections(app["id"])
    on = ", ".join(each["name"] for each in found if each["on"])
    off = "; ".join(f"{each['name']} ({each['why']})" for each in found if not each["on"])
    return ({"Protected by": on} if on else {}) | ({"Not protected by": off} if off else {})
