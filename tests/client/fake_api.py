"""A small server that speaks as much of our API as the client asks for, from memory; tests look at what was asked."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

TOKEN = "t0ken-of-ada"
EMAIL = "ada@example.com"
INVITATION, UNTIL = "pushd-an-invitation", "2026-01-09T03:04:05Z"
MADE_AT = "2026-01-02T03:04:05Z"
USER = {"id": "00000000-0000-0000-0000-00000000ada0", "email": EMAIL}
NO_COUPLING = {"id": "not_found", "message": "Couldn't find that coupling.", "resource": "pipeline_coupling"}
REGION = {"id": "r", "name": "us", "description": "This server", "private_capable": False}
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeApi:
    """What the server holds. `changes` are the answers to come for each change, the last one repeated."""

    url: str = ""
    apps: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, dict[str, str]] = field(default_factory=dict)
    releases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    formation: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dynos: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    builds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    buildpacks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    uploaded: bytes = b""
    settings: dict[str, str] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=lambda: {"runtime-dyno-metadata": True, "log-runtime-metrics": False})
    authorizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)
    tails: list[list[str]] = field(default_factory=list)  # what each connection of a tail gives before it ends
    outputs: dict[str, str] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)  # empty: nothing has to follow a change
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[Asked], Answer | None] = lambda asked: None  # a test's own answer, before ours
    page_size: int = 1000
    is_older: bool = False  # knows no path that was added late
    things: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by path: "/account/keys", "/apps/shop/domains"
    password: str = "correct horse battery"  # of EMAIL
    warning: str = ""  # goes along with what is made of these

    def add_app(self, name: str) -> dict[str, Any]:
        app = {
            "id": str(uuid4()), "name": name, "git_url": f"{self.url}/{name}.git",
            "web_url": f"http://{name}.localhost:8080/", "acm": False, "maintenance": False, "owner": USER,
            "region": {"id": "r", "name": "us"}, "stack": {"id": "s", "name": "heroku-24"}, "repo_size": 1536,
            "build_stack": {"id": "s", "name": "heroku-24"},
            "slug_size": None, "created_at": MADE_AT, "released_at": None,
        }  # fmt: skip
        self.apps[name] = app
        self.config[name] = {}
        self.releases[name] = []
        self.add_release(name, "Initial release", slug=False)
        return app

    def add_release(self, app: str, description: str, *, slug: bool = True, status: str = "succeeded") -> dict[str, Any]:
        rows = self.releases[app]
        if status == "succeeded":
            for row in rows:
                row["current"] = False
        release = {
            "id": str(uuid4()), "version": len(rows) + 1, "description": description, "status": status,
            "current": status == "succeeded", "created_at": MADE_AT, "user": USER, "slug": {"id": "s"} if slug else None,
            "addon_plan_names": [], "eligible_for_rollback": slug and status == "succeeded", "output_stream_url": None,
        }  # fmt: skip
        rows.append(release)
        return release

    def add_dyno(
        self, app: str, name: str, *, state: str = "up", version: int = 1, command: str = "gunicorn hello:app"
    ) -> None:
        self.dynos.setdefault(app, []).append({
            "id": str(uuid4()), "name": name, "type": name.partition(".")[0], "state": state, "size": "standard-1x",
            "command": command, "release": {"id": "r", "version": version}, "created_at": MADE_AT, "updated_at": MADE_AT,
        })  # fmt: skip

    def set_formation(self, app: str, **quantities: int) -> None:
        self.formation[app] = [
            {"id": str(uuid4()), "type": kind, "quantity": count, "size": "standard-1x", "command": f"run {kind}"}
            for kind, count in quantities.items()
        ]

    @property
    def with_password(self) -> str:
        return "Basic " + base64.b64encode(f"{EMAIL}:{self.password}".encode()).decode()

    def paths(self, *, method: str | None = None) -> list[str]:
        """`METHOD /path` of all that was asked, in order."""
        return [f"{each.method} {each.path}" for each in self.asked if method in (None, each.method)]

    def last(self, method: str) -> Asked:
        return next(each for each in reversed(self.asked) if each.method == method)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        if own := self.before(asked):
            return own
        if (
            asked.headers.get("authorization") not in (f"Bearer {TOKEN}", self.with_password)
            and "/password-resets/" not in asked.path
        ):
            return 401, {"id": "unauthorized", "message": "Invalid credentials provided."}
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, asked.path)
            if method == asked.method and found:
                words = [unquote(word) for word in found.groups()]
                if words and "/apps/" in asked.path:
                    named = [name for name, app in self.apps.items() if words[0] in (name, app["id"])]
                    if not named:
                        return 404, {"id": "not_found", "message": "Couldn't find that app.", "resource": "app"}
                    words[0] = named[0]
                return handler(self, asked, *words)
        return 404, {"id": "not_found", "message": "The requested API endpoint was not found."}

    def changed(self, status: int, value: Any) -> Answer:
        return (status, value, {"Pushd-Change": self.changes[0]["id"]}) if self.changes else (status, value)


def _create(api: FakeApi, asked: Asked) -> Answer:
    name = asked.body.get("name") or "brisk-fjord-48213"
    if name in api.apps:
        return 422, {"id": "invalid_params", "message": f"Name {name} is already taken.\nPick another name."}
    return 201, api.add_app(name)


def _patch_app(api: FakeApi, asked: Asked, name: str) -> Answer:
    app = api.apps[name]
    app.update({key: value for key, value in asked.body.items() if key != "build_stack"})
    if app["name"] != name:
        app["web_url"] = f"http://{app['name']}.localhost:8080/"
        api.apps[app["name"]] = api.apps.pop(name)
    return 200, app


def _patch_config(api: FakeApi, asked: Asked, app: str) -> Answer:
    for key, value in asked.body.items():
        if value is None:
            api.config[app].pop(key, None)
        else:
            api.config[app][key] = value
    api.add_release(app, f"Set {', '.join(asked.body)} config vars", slug=False)
    return api.changed(200, api.config[app])


def _releases(api: FakeApi, asked: Asked, app: str) -> Answer:
    limit = int(re.search(r"max=(\d+)", asked.headers.get("range", "max=200"))[1])  # type: ignore[index]
    return 200, api.releases[app][::-1][:limit]


def _find_release(api: FakeApi, app: str, which: str) -> dict[str, Any] | None:
    return next((each for each in api.releases[app] if which in (each["id"], str(each["version"]))), None)


def _release(api: FakeApi, asked: Asked, app: str, which: str) -> Answer:
    found = _find_release(api, app, which)
    missing = {"id": "not_found", "message": "Couldn't find that release.", "resource": "release"}
    return (200, found) if found else (404, missing)


def _rollback(api: FakeApi, asked: Asked, app: str) -> Answer:
    if "slug" in asked.body:
        return api.changed(201, api.add_release(app, asked.body["description"]))
    target = _find_release(api, app, asked.body["release"])
    assert target
    return api.changed(201, api.add_release(app, f"Rollback to v{target['version']}"))


def _scale(api: FakeApi, asked: Asked, app: str) -> Answer:
    rows = {row["type"]: row for row in api.formation.get(app, [])}
    for update in asked.body["updates"]:
        if update["type"] not in rows:
            message = f"Couldn't find that process type ({update['type']}).\nProcess types of this app: web."
            return 404, {"id": "not_found", "message": message, "resource": "formation"}
        row = rows[update["type"]]
        row["size"] = update.get("size", row["size"])
        if "quantity" not in update:
            continue
        amount = update["quantity"]
        row["quantity"] = row["quantity"] + int(amount) if amount[0] in "+-" else int(amount)
    return api.changed(200, list(rows.values()))


def _list(kind: str) -> Callable[..., Answer]:
    def answer(api: FakeApi, asked: Asked, app: str) -> Answer:
        rows = getattr(api, kind).get(app, [])
        start = int(asked.headers.get("range", "0"))
        headers = {"Next-Range": str(start + api.page_size)} if start + api.page_size < len(rows) else {}
        return (206 if headers else 200), rows[start : start + api.page_size], headers

    return answer


def _run(api: FakeApi, asked: Asked, app: str) -> Answer:
    api.add_dyno(app, "run.7", state="starting", command=asked.body["command"])
    return 201, api.dynos[app][-1]


def _protections(api: FakeApi, asked: Asked, app: str) -> Answer:
    """Two once the app is there, unless the server is an older one."""
    if api.is_older:
        return 404, {"id": "not_found", "message": "The requested API endpoint was not found.", "resource": "path"}
    return 200, [
        {"name": "sandbox", "on": True, "why": "by bubblewrap"},
        {"name": "own user", "on": False, "why": "we are not root"},
    ]


def _app_disk(api: FakeApi, asked: Asked, app: str) -> Answer:
    if app not in api.apps:
        return 404, {"id": "not_found", "message": "Couldn't find that app.", "resource": "app"}
    sizes = {"repository": 1000, "slugs": 2_000_000, "environments": 30_000_000, "caches": 0}
    sizes |= {"outputs": 5, "logs": 6, "storage": 7}
    return 200, {"app": {"id": api.apps[app]["id"], "name": app}, **sizes, "total": sum(sizes.values())}


def _disk(api: FakeApi, asked: Asked) -> Answer:
    return 200, {
        "size": 10_000_000_000, "free": 4_000_000_000, "reserve": 50_000_000, "free_files": 123, "store": 200_000, "uploads": 0,
        "total": 64_000_000, "apps": [_app_disk(api, asked, app)[1] for app in api.apps],
    }  # fmt: skip


def _audit(api: FakeApi, asked: Asked, app: str = "shop") -> Answer:
    known = {
        "user": {"id": "u", "email": "ada@example.com"}, "credential": "token laptop (pushd-Ab**********yz12)",
        "source": "192.0.2.7", "app": {"id": "a", "name": app}, "ended_at": None, "details": {}, "outcome": None,
    }  # fmt: skip
    details = {"name": {"before": "a", "after": "b"}, "KEY": "set", "list": ["x", "y"]}
    rename = {"action": "PATCH /apps/{app}", "outcome": "done", "details": details, "created_at": "2026-01-02T03:04:05Z"}
    push = {"action": "git push", "created_at": "2026-01-02T03:04:06Z"}
    return 200, [known | {"sequence": 2} | push, known | {"sequence": 1} | rename]


def _resources(api: FakeApi, asked: Asked, app: str, kind: str = "") -> Answer:
    """Figures are kept as they were sent; the answer has one row of each kind."""
    for name, text in (asked.body or {}).items():
        api.settings[f"{kind} {name}"] = text or ""
    kept = sorted(name.split() for name, text in api.settings.items() if text and " " in name)
    own = {of: [name for each, name in kept if each == of] for of in ("web", "build")}
    rows = [
        {"type": "web", "size": "Standard-1X", "memory_mb": 512, "cpu": 0.5, "processes": 4096, "open_files": 65536,
         "time_seconds": None, "slug_mb": None, "set": own["web"]},
        {"type": "build", "size": None, "memory_mb": 4096, "cpu": None, "processes": 2048, "open_files": 65536,
         "time_seconds": None, "slug_mb": 1024, "set": own["build"]},
    ]  # fmt: skip
    return api.changed(200, rows) if asked.method == "PATCH" else (200, rows)


def _settings(api: FakeApi, asked: Asked, app: str) -> Answer:
    for name, text in (asked.body or {}).items():
        if name not in ("probe-path", "deploy-branch"):
            return 404, {"id": "not_found", "message": f"There is no setting called {name!r}.", "resource": "setting"}
        api.settings[name] = text or ""
    rows = [("probe-path", "/", "Path of the probe."), ("deploy-branch", "", "Branch that deploys.")]
    return 200, {
        "settings": [
            {"name": name, "value": api.settings.get(name) or default, "default": default, "help": text}
            for name, default, text in rows
        ]
    }


def _change(api: FakeApi, asked: Asked, which: str) -> Answer:
    waited = "wait" in asked.query
    return 200, api.changes.pop(0) if waited and len(api.changes) > 1 else api.changes[0]


def _authorize(api: FakeApi, asked: Asked) -> Answer:
    made = {
        "id": str(uuid4()), "description": asked.body.get("description") or "Long-lived user authorization",
        "scope": asked.body.get("scope") or ["global"], "user": USER, "created_at": MADE_AT, "updated_at": MADE_AT,
        "app": {"id": "a", "name": asked.body["app"]} if asked.body.get("app") else None,
        "access_token": {"id": "t", "token": TOKEN[:4] + "**********", "expires_in": asked.body.get("expires_in")},
    }  # fmt: skip
    api.authorizations[made["id"]] = made
    return 201, _with_token(made)


def _finalize(api: FakeApi, asked: Asked, invitation: str) -> Answer:
    if invitation != INVITATION:
        return 404, {
            "id": "not_found",
            "message": "This invitation is not valid, or not any more.",
            "resource": "password_reset",
        }
    api.password = asked.body["password"]
    return 200, {"created_at": MADE_AT, "user": USER}


def _change_account(api: FakeApi, asked: Asked) -> Answer:
    if asked.body.get("password") not in (None, api.password):
        return 403, {"id": "forbidden", "message": "That is not your password."}
    api.password = asked.body["new_password"]
    return 200, USER


def _user(email: str, **changes: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "email": email, "name": None, "role": "user", "apps": 0, "has_password": False,
            "invitation": None, "created_at": MADE_AT, "updated_at": MADE_AT, **changes}  # fmt: skip


def _add_user(api: FakeApi, asked: Asked) -> Answer:
    made = _user(asked.body["email"], role="admin" if asked.body["admin"] else "user")
    api.users[made["email"]] = {**made, "invitation": {"token": None, "expires_at": UNTIL}}
    return 201, {**made, "invitation": {"token": INVITATION, "expires_at": UNTIL}}


def _invite_user(api: FakeApi, asked: Asked, email: str) -> Answer:
    return 201, {**api.users[email], "invitation": {"token": INVITATION, "expires_at": UNTIL}}


def _update_user(api: FakeApi, asked: Asked, email: str) -> Answer:
    api.users[email]["role"] = "admin" if asked.body["admin"] else "user"
    return 200, api.users[email]


def _with_token(made: dict[str, Any]) -> dict[str, Any]:
    return {**made, "access_token": {**made["access_token"], "token": TOKEN}}


def _describe(api: FakeApi, asked: Asked, which: str) -> Answer:
    api.authorizations[which]["description"] = asked.body["description"]
    return 200, api.authorizations[which]


def _feature(api: FakeApi, asked: Asked, app: str, name: str) -> Answer:
    if name not in api.features:
        return 404, {"id": "not_found", "message": "Couldn't find that feature.", "resource": "feature"}
    if asked.body:
        api.features[name] = asked.body["enabled"]
    state = "public" if name.startswith("log") else "general"
    return 200, {"id": "f", "name": name, "description": f"What {name} does.", "doc_url": "docs/settings.md",
                 "enabled": api.features[name], "state": state}  # fmt: skip


def _features(api: FakeApi, asked: Asked, app: str) -> Answer:
    return 200, [_feature(api, asked, app, name)[1] for name in api.features]


def _log_session(api: FakeApi, asked: Asked, app: str) -> Answer:
    return 201, {"id": str(uuid4()), "logplex_url": f"{api.url}/logs/s3cret?srv=1"}


_DRAFTS: dict[str, Callable[[FakeApi, Any], dict[str, Any]]] = {
    "domains": lambda api, body: {
        "hostname": body["hostname"], "kind": "custom", "cname": "shop.localhost", "status": "succeeded", "acm_status": None,
        "acm_status_reason": None, "app": {"id": "a", "name": "shop"}, "sni_endpoint": _named(body["sni_endpoint"]),
    },
    "sni-endpoints": lambda api, body: {"name": "calm-fjord-12345", "domains": [], "ssl_cert": SSL_CERT},
    "collaborators": lambda api, body: {"user": {"id": "u", "email": body["user"]}, "role": "collaborator"},
    "log-drains": lambda api, body: {"url": body["url"], "token": "d.1"},
    "keys": lambda api, body: {
        "public_key": body["public_key"].strip(), "comment": body["public_key"].split()[2], "email": EMAIL,
        "fingerprint": "00:11",
    },
}  # fmt: skip
SSL_CERT = {
    "acm": False, "ca_signed?": False, "self_signed?": True, "cert_domains": ["www.example.com", "*.shop.example.com"],
    "issuer": "/CN=www.example.com", "subject": "/CN=www.example.com", "starts_at": MADE_AT,
    "expires_at": "2026-04-02T03:04:05Z",
}  # fmt: skip


def _named(name: str | None) -> dict[str, str] | None:
    return {"id": f"id of {name}", "name": name} if name else None


def _things(api: FakeApi, asked: Asked, *words: str) -> Answer:
    """A list of things, or one of them: listed, made, shown, changed, removed."""
    kind = asked.path.split("/")[3] if words else "keys"
    rows = api.things.setdefault(f"/apps/{words[0]}/{kind}" if words else "/account/keys", [])
    which = unquote("/".join(asked.path.split("/")[4 if words else 3 :]))
    if not which and asked.method == "GET":
        return 200, rows
    if not which:
        rows.append({**_DRAFTS[kind](api, asked.body), "id": str(uuid4()), "created_at": MADE_AT, "updated_at": MADE_AT})
        return 201, rows[-1], {"X-Heroku-Warning": api.warning} if api.warning else {}
    found = next((row for row in rows if which in row.values()), None)
    if found is None:
        return 404, {"id": "not_found", "message": f"Couldn't find that {kind}.", "resource": "thing"}
    if asked.method == "DELETE":
        rows.remove(found)
    elif asked.method == "PATCH" and kind == "domains":
        found["sni_endpoint"] = _named(asked.body["sni_endpoint"])
    return 200, found


def _acm(api: FakeApi, asked: Asked, app: str) -> Answer:
    if asked.method == "DELETE":
        return 200, api.apps[app]
    return 422, {"id": "invalid_params", "message": "Not by itself yet.\ncerts:add CRT KEY."}


def _build(api: FakeApi, asked: Asked, app: str) -> Answer:
    blob = {"version": None, "version_description": None} | asked.body["source_blob"]
    build = {"id": str(uuid4()), "status": "pending", "source_blob": blob, "reason": "", "user": USER, "release": None,
             "output_stream_url": f"{api.url}/out/build", "created_at": MADE_AT, "updated_at": MADE_AT}  # fmt: skip
    api.builds.setdefault(app, []).insert(0, build)
    return 201, build


def _cancel(api: FakeApi, asked: Asked, app: str, build: str) -> Answer:
    found = next(each for each in api.builds[app] if each["id"] == build)
    found.update(status="failed", reason="cancelled")
    return 200, found


def _sources(api: FakeApi, asked: Asked, app: str) -> Answer:
    return 201, {"source_blob": {"put_url": f"{api.url}/up?k=1", "get_url": f"{api.url}/down"}}


def _set_buildpacks(api: FakeApi, asked: Asked, app: str) -> Answer:
    names = [each["buildpack"].removeprefix("urn:buildpack:") for each in asked.body["updates"]]
    urls = [name if "://" in name else f"urn:buildpack:{name}" for name in names]
    api.buildpacks[app] = [
        {"ordinal": n, "buildpack": {"url": url, "name": name}} for n, (name, url) in enumerate(zip(names, urls, strict=True))
    ]
    return 200, api.buildpacks[app]


_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", r"/account", lambda api, asked: (200, USER)),
    ("POST", r"/password-resets/([^/]+)/actions/finalize", _finalize),
    ("PATCH", r"/account", _change_account),
    ("GET", r"/-/users", lambda api, asked: (200, list(api.users.values()))),
    ("POST", r"/-/users", _add_user),
    ("PATCH", r"/-/users/([^/]+)", _update_user),
    ("DELETE", r"/-/users/([^/]+)", lambda api, asked, email: (200, api.users.pop(email))),
    ("POST", r"/-/users/([^/]+)/invitations", _invite_user),
    ("GET", r"/oauth/authorizations", lambda api, asked: (200, list(api.authorizations.values()))),
    ("POST", r"/oauth/authorizations", _authorize),
    ("GET", r"/oauth/authorizations/([^/]+)", lambda api, asked, which: (200, api.authorizations[which])),
    ("PATCH", r"/oauth/authorizations/([^/]+)", _describe),
    ("DELETE", r"/oauth/authorizations/([^/]+)", lambda api, asked, which: (200, api.authorizations.pop(which))),
    (
        "POST",
        r"/oauth/authorizations/([^/]+)/actions/regenerate-tokens",
        lambda api, asked, which: (200, _with_token(api.authorizations[which])),
    ),
    ("GET", r"/apps/([^/]+)/features", _features),
    ("GET", r"/apps/([^/]+)/features/([^/]+)", _feature),
    ("PATCH", r"/apps/([^/]+)/features/([^/]+)", _feature),
    ("GET", r"/regions", lambda api, asked: (200, [REGION])),
    ("GET", r"/stacks", lambda api, asked: (200, [{"id": "s", "name": "heroku-24", "state": "public"}])),
    ("GET", r"/addons", lambda api, asked: (200, [])),
    ("GET", r"/apps/([^/]+)/addons", lambda api, asked, app: (200, [])),
    ("GET", r"/apps", lambda api, asked: (200, list(api.apps.values()))),
    ("GET", r"/users/~/apps", lambda api, asked: (200, [app for app in api.apps.values() if not app.get("unseen")])),
    ("POST", r"/apps", _create),
    ("GET", r"/apps/([^/]+)", lambda api, asked, app: (200, api.apps[app])),
    ("PATCH", r"/apps/([^/]+)", _patch_app),
    ("DELETE", r"/apps/([^/]+)", lambda api, asked, app: (200, api.apps.pop(app))),
    ("GET", r"/apps/([^/]+)/config-vars", lambda api, asked, app: (200, api.config[app])),
    ("PATCH", r"/apps/([^/]+)/config-vars", _patch_config),
    ("GET", r"/apps/([^/]+)/releases", _releases),
    ("POST", r"/apps/([^/]+)/releases", _rollback),
    ("GET", r"/apps/([^/]+)/releases/([^/]+)", _release),
    ("GET", r"/apps/([^/]+)/releases/([^/]+)/config-vars", lambda api, asked, app, release: (200, api.config[app])),
    ("GET", r"/apps/([^/]+)/formation", _list("formation")),
    ("PATCH", r"/apps/([^/]+)/formation", _scale),
    ("GET", r"/apps/([^/]+)/dynos", _list("dynos")),
    ("POST", r"/apps/([^/]+)/dynos", _run),
    ("DELETE", r"/apps/([^/]+)/dynos", lambda api, asked, app: api.changed(202, {})),
    ("DELETE", r"/apps/([^/]+)/dynos/([^/]+)", lambda api, asked, app, dyno: api.changed(202, {})),
    ("DELETE", r"/apps/([^/]+)/formations/([^/]+)", lambda api, asked, app, kind: api.changed(202, {})),
    ("POST", r"/apps/([^/]+)/dynos/([^/]+)/actions/stop", lambda api, asked, app, dyno: api.changed(202, {})),
    ("POST", r"/apps/([^/]+)/formations/([^/]+)/actions/stop", lambda api, asked, app, kind: api.changed(202, {})),
    ("GET", r"/apps/([^/]+)/builds", _list("builds")),
    ("POST", r"/apps/([^/]+)/builds", _build),
    ("DELETE", r"/apps/([^/]+)/builds/([^/]+)", _cancel),
    ("POST", r"/apps/([^/]+)/sources", _sources),
    ("GET", r"/apps/([^/]+)/buildpack-installations", _list("buildpacks")),
    ("PUT", r"/apps/([^/]+)/buildpack-installations", _set_buildpacks),
    ("GET", r"/apps/([^/]+)/builds/([^/]+)", lambda api, asked, app, build: (200, api.builds[app][0])),
    ("POST", r"/apps/([^/]+)/log-sessions", _log_session),
    ("GET", r"/apps/([^/]+)/pipeline-couplings", lambda api, asked, app: (404, NO_COUPLING)),
    *((method, r"/apps/([^/]+)/(?:domains|sni-endpoints|collaborators|log-drains)", _things) for method in ("GET", "POST")),
    *(
        (method, r"/apps/([^/]+)/(?:domains|sni-endpoints|collaborators|log-drains)/([^/]+)", _things)
        for method in ("GET", "PATCH", "DELETE")
    ),
    *((method, r"/account/keys(?:/[^/]+)?", _things) for method in ("GET", "POST", "DELETE")),
    *((method, r"/apps/([^/]+)/acm", _acm) for method in ("POST", "PATCH", "DELETE")),
    ("GET", r"/-/disk", _disk),
    ("GET", r"/-/audit", _audit),
    ("GET", r"/-/apps/([^/]+)/audit", _audit),
    ("GET", r"/-/apps/([^/]+)/disk", _app_disk),
    ("GET", r"/-/apps/([^/]+)/protections", _protections),
    ("GET", r"/-/apps/([^/]+)/resources", _resources),
    ("PATCH", r"/-/apps/([^/]+)/resources/([^/]+)", _resources),
    ("GET", r"/-/apps/([^/]+)/settings", _settings),
    ("PATCH", r"/-/apps/([^/]+)/settings", _settings),
    ("GET", r"/-/changes/([^/]+)", _change),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi

    def _serve(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if url.path == "/up":  # no JSON, and no token: the URL is the secret
            self.api.uploaded = raw
            return self._send(200, b"", {})
        asked = Asked(self.command, url.path, parse_qs(url.query), headers, json.loads(raw) if raw else None)
        self.api.asked.append(asked)
        if url.path.startswith("/logs/"):
            return self._send_events()
        if url.path in self.api.outputs:
            return self._send(200, self.api.outputs[url.path].encode(), {"Content-Type": "text/plain"})
        status, value, *more = self.api.answer(asked)
        extra = more[0] if more else {}
        if isinstance(value, bytes):
            return self._send(status, value, extra)
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **extra})

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self) -> None:
        tail = self.api.last("POST").body.get("tail")
        lines = (self.api.tails.pop(0) if self.api.tails else []) if tail else self.api.logs
        body = b"retry: 1\n\n: heartbeat\n\n"
        for line in lines:
            body += f"id: {line.split()[0]}\ndata: {line}\n\n".encode()
        self._send(200, body, {"Content-Type": "text/event-stream"})

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """A running one, on a free port of 127.0.0.1."""
    api = FakeApi()
    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
