"""The audit trail over the whole table of routes: whatever changes something leaves an entry that names what."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ed25519

from pushd.api.audited import is_deed
from pushd.api.routes import ROUTES
from tests.api.conftest import TOKEN, Api
from tests.pki import issue, ssh_public_key

NOBODYS = {"POST /auth"}  # nobody is known yet, and nothing comes of it until somebody confirms
NOTHING = {  # routes that always refuse: there are no such things here
    "POST /oauth/clients", "PATCH /oauth/clients/{client}", "DELETE /oauth/clients/{client}",
    "POST /oauth/clients/{client}/actions/rotate-credentials", "DELETE /oauth/sessions/{session}",
    "PATCH /account/features/{feature}", "POST /apps/{app}/acm", "PATCH /apps/{app}/acm",
}  # fmt: skip
SECRET = "hunter2-and-more"
URL = f"https://{SECRET}@example.com/{SECRET}"


class Walk:
    """Calls rows of the table one by one, and looks at what each has left."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.walked: set[str] = set()
        self._seen = 0

    async def call(
        self, route: str, body: Any = None, *, says: str, under: str | None = "blog", data: bytes | None = None,
        token: str | None = TOKEN, url: str = "", **where: str,
    ) -> Any:  # fmt: skip
        """The JSON of the answer. `says` stands in what is noted, and all of it under that app, or under those of `under`."""
        method, path = route.split()
        path, _, query = path.partition("?")
        self.walked.add(f"{method} {path}")
        sent = url or re.sub(r"\{(\w+)\}", lambda found: where.get(found[1], "blog"), path) + (f"?{query}" if query else "")
        answer = await self.api.request(method, sent, body, data=data, token=token)
        assert (answer.status >= 400) == (route in NOTHING), (route, answer.text)

        entries = [each for each in await self.api.get("/-/audit") if each["sequence"] > self._seen]
        assert entries, route
        self._seen = entries[0]["sequence"]
        assert {each["action"] for each in entries} == {f"{method} {path}"}
        assert {each["outcome"] == "done" for each in entries} == {answer.status < 400}
        apps = [each["app"]["name"] for each in reversed(entries) if each["app"] is not None]
        assert apps == ([] if under is None else under.split()), (route, apps)
        for each in entries:
            assert says in json.dumps(each["details"]), (route, each)
        return answer.json if answer.text else None


async def walk_accounts(walk: Walk) -> None:
    """One's own, and those of others."""
    ada, alone = "ada@example.com", {"under": None}
    await walk.call("PATCH /account", {"name": "Ada"}, says='"name": "Ada"', under=None)
    await walk.call("PATCH /users/{user}", {"new_password": f"{SECRET}-1"}, says='"user": "~"', user="~", under=None)
    public = ssh_public_key(ed25519.Ed25519PrivateKey.generate())
    key = await walk.call("POST /account/keys", {"public_key": f"{public} me"}, says='"key": "', **alone)
    await walk.call("DELETE /account/keys/{key}", says=key["fingerprint"], key=key["id"], under=None)
    made = await walk.call("POST /oauth/authorizations", {"description": "ci"}, says='"authorization": "pushd-', under=None)
    which = {"authorization": made["id"], "under": None}
    await walk.call(
        "PATCH /oauth/authorizations/{authorization}", {"description": "c"}, says='"authorization": "pushd-', **which
    )
    rotate = "POST /oauth/authorizations/{authorization}/actions/regenerate-tokens"
    await walk.call(rotate, says='"authorization": "pushd-', **which)
    await walk.call("DELETE /oauth/authorizations/{authorization}", says='"authorization": "pushd-', **which)

    user = await walk.call("POST /-/users", {"email": ada}, says=ada, under=None)
    password = {"password": f"{SECRET}-2", "password_confirmation": f"{SECRET}-2"}
    finalize = "POST /password-resets/{token}/actions/finalize"
    await walk.call(
        finalize,
        password,
        says="{}",
        under=None,
        token=None,
        url=f"/password-resets/{user['invitation']['token']}/actions/finalize",
    )
    (entry, *_) = await walk.api.get("/-/audit")
    assert (entry["user"]["email"], entry["credential"]) == (ada, "invitation")
    by_id = {"user": user["id"], "under": None}
    await walk.call("PATCH /-/users/{user}", {"admin": True}, says='"admin": {"before": false, "after": true}', **by_id)
    await walk.call("PATCH /-/users/{user}", {"admin": False}, says=f'"user": "{ada}"', **by_id)
    await walk.call(
        "POST /-/users/{user}/invitations", {"end_tokens": True}, says=f'{{"user": "{ada}", "end_tokens": true}}', **by_id
    )


async def walk_login(walk: Walk) -> None:
    """In a browser: who confirms, and the token that comes of it."""
    begun = await walk.api.request("POST", "/auth", {"description": "heroku on box"}, token=None)
    login, form = begun.json, urlencode({"token": TOKEN}).encode()
    url = f"http://{walk.api.address}{login['browser_url']}"
    async with walk.api.session.post(url, data=form, headers={"Content-Type": "application/x-www-form-urlencoded"}) as page:
        assert page.status == 200
    await walk.api.request("GET", login["cli_url"], token=login["token"])

    (made, confirmed, *_) = await walk.api.get("/-/audit")
    walk._seen = made["sequence"]
    walk.walked.add(confirmed["action"])
    assert [each["action"] for each in (confirmed, made)] == ["POST /auth/browser/{token}", "GET /auth/cli/{token}"]
    assert (confirmed["user"]["email"], confirmed["details"]) == ("admin@localhost", {"login": "heroku on box"})
    (authorization,) = [row for row in await walk.api.get("/oauth/authorizations") if row["description"] == "heroku on box"]
    assert made["details"] == {"login": "heroku on box", "authorization": authorization["access_token"]["token"]}


async def walk_belongings(walk: Walk) -> None:
    """What an app has."""
    certificate = issue("www.example.com")
    pair = {"certificate_chain": certificate.pem, "private_key": certificate.key_pem}
    endpoint = await walk.call("POST /apps/{app}/sni-endpoints", pair, says='"sni_endpoint": "')
    which = {"sni_endpoint": endpoint["id"]}
    await walk.call(
        "PATCH /apps/{app}/sni-endpoints/{sni_endpoint}", pair, says=f'"sni_endpoint": "{endpoint["name"]}"', **which
    )
    hostname = {"hostname": "www.example.com", "sni_endpoint": None}
    domain = await walk.call("POST /apps/{app}/domains", hostname, says='"hostname": "www.example.com"')
    bound = {"sni_endpoint": endpoint["name"]}
    await walk.call("PATCH /apps/{app}/domains/{domain}", bound, says='"domain": "www.example.com"', domain=domain["id"])
    await walk.call("DELETE /apps/{app}/domains/{domain}", says='"domain": "www.example.com"', domain=domain["id"])
    await walk.call("DELETE /apps/{app}/sni-endpoints/{sni_endpoint}", says=endpoint["name"], **which)
    drain = await walk.call("POST /apps/{app}/log-drains", {"url": URL}, says='"drain": "')
    await walk.call("DELETE /apps/{app}/log-drains/{drain}", says=drain["id"], drain=URL.replace("/", "%2F"))
    hook = {
        "url": f"https://example.com/{SECRET}",
        "include": ["api:release"],
        "level": "notify",
        "secret": SECRET,
        "authorization": SECRET,
    }
    webhook = await walk.call("POST /apps/{app}/webhooks", hook, says='"webhook": "')
    await walk.call("PATCH /apps/{app}/webhooks/{webhook}", hook, says=webhook["id"], webhook=webhook["id"])
    await walk.call("DELETE /apps/{app}/webhooks/{webhook}", says=webhook["id"], webhook=webhook["id"])
    ben = "ben@example.com"
    shared = await walk.call("POST /apps/{app}/collaborators", {"user": ben}, says=ben)
    await walk.call("DELETE /apps/{app}/collaborators/{collaborator}", says=ben, collaborator=shared["id"])
    enabled = '"enabled": {"before": false, "after": true}'
    await walk.call("PATCH /apps/{app}/features/{feature}", {"enabled": True}, says=enabled, feature="log-runtime-metrics")
    await walk.call(
        "PATCH /-/apps/{app}/resources/{type}", {"memory": "1G"}, says='"memory": {"before": null, "after": "1G"}', type="build"
    )
    await walk.call("PATCH /-/apps/{app}/settings", {"probe": "port"}, says='"probe": "set"')
    await walk.call("PATCH /apps/{app}/config-vars", {"NAME": SECRET}, says='"NAME": "set"')
    await walk.call("PUT /apps/{app}/buildpack-installations", {"updates": [{"buildpack": "heroku/python"}]}, says="updates")
    await walk.call("DELETE /apps/{app}/acm", says="{}")


async def walk_deploys(walk: Walk, build: str) -> None:
    """What an app runs."""
    source = await walk.call("POST /sources", says='"upload": "', under=None)
    await walk.call("PUT /sources/{token}", data=b"x", says='"upload": "', under=None, url=source["source_blob"]["put_url"])
    source = await walk.call("POST /apps/{app}/sources", says='"upload": "')
    slug = await walk.call("POST /apps/{app}/slugs", {"process_types": {"web": SECRET}}, says='"web": "..."')
    await walk.call("PUT /slugs/{token}", data=b"x", says=slug["id"], url=slug["blob"]["url"])
    blob = {"source_blob": {"url": URL, "version": "v1"}}
    await walk.call("POST /apps/{app}/builds", blob, says='"build": "')
    await walk.call("DELETE /apps/{app}/builds/{build}", says=build, build=build)
    await walk.call("POST /apps/{app}/releases", {"release": "v2"}, says='{"release": "v2", "made": "v')
    await walk.call("POST /apps/{app}/log-sessions", {"lines": 1}, says='"lines": 1')
    await walk.call(
        "PATCH /apps/{app}/formation", {"updates": [{"type": "web", "quantity": 3}]}, says='{"web": {"before": 1, "after": 3}}'
    )
    await walk.call(
        "PATCH /apps/{app}/formation/{type}", {"quantity": 2}, says='{"web": {"before": 3, "after": 2}}', type="web"
    )
    command = {"command": SECRET, "env": {"user": SECRET}}
    await walk.call("POST /apps/{app}/dynos", command, says='"dyno": "run.')
    await walk.call("POST /apps/{app}/dynos/{dyno}", command, says='"dyno": "', dyno="web.1")
    (dyno, *_) = [each for each in await walk.api.get("/apps/blog/dynos") if each["name"] == "web.1"]
    for route in ("DELETE /apps/{app}/dynos/{dyno}", "POST /apps/{app}/dynos/{dyno}/actions/stop"):
        await walk.call(route, says='"dyno": "web.1"', dyno=dyno["id"])
    for route in ("DELETE /apps/{app}/formations/{type}", "POST /apps/{app}/formations/{type}/actions/stop"):
        await walk.call(route, says='"type": "web"', type="web")
    await walk.call("DELETE /apps/{app}/dynos", says="{}")


async def walk_pipelines(walk: Walk) -> None:
    """What carries a release of one app to another."""
    line = await walk.call("POST /pipelines", {"name": "line-one"}, says="line-one", under=None)
    await walk.call(
        "PATCH /pipelines/{pipeline}", {"name": "line"}, says='"before": "line-one"', pipeline=line["id"], under=None
    )
    couple = "POST /pipeline-couplings"
    coupling = await walk.call(
        couple, {"app": "blog", "pipeline": line["id"], "stage": "staging"}, says='"app": "blog", "pipeline": "line"'
    )
    await walk.call(couple, {"app": "prod", "pipeline": "line", "stage": "production"}, says="production", under="prod")
    which = {"coupling": coupling["id"]}
    await walk.call(
        "PATCH /pipeline-couplings/{coupling}", {"stage": "staging"}, says='"app": "blog", "pipeline": "line"', **which
    )
    apps = {each["name"]: {"app": {"id": each["id"]}} for each in await walk.api.get("/apps")}
    wanted = {"pipeline": {"id": line["id"]}, "source": apps["blog"], "targets": [apps["prod"]]}
    says = '"pipeline": "line", "source": "blog", "targets": ["prod"]'
    await walk.call("POST /pipeline-promotions", wanted, says=says, under="blog prod")
    await walk.call("DELETE /pipeline-couplings/{coupling}", says='"app": "blog", "pipeline": "line"', **which)
    await walk.call("DELETE /pipelines/{pipeline}", says='"pipeline": "line"', pipeline=line["id"], under=None)


async def test_whatever_changes_something_leaves_an_entry_that_names_it(api: Api) -> None:
    walk = Walk(api)
    await walk.call("POST /apps", {"name": "prod"}, says='"name": "prod"', under="prod")
    made = await api.deployed()
    build = await api.store.builds.create(made.app, user=api.operator, commit="ab" * 20, branch="main")
    walk._seen = (await api.get("/-/audit?limit=1"))[0]["sequence"]

    await walk_accounts(walk)
    await walk_login(walk)
    await walk_belongings(walk)
    await walk_deploys(walk, str(build.id))
    await walk_pipelines(walk)
    for route in sorted(NOTHING):
        await walk.call(route, says="", under="blog" if "{app}" in route else None)
    ada = await api.store.accounts.find("ada@example.com")
    await api.request("POST", "/apps/blog/collaborators", {"user": "ada@example.com"})
    walk._seen += 1
    await walk.call(
        "DELETE /-/users/{user}?apps_to=admin@localhost",
        says='{"user": "ada@example.com", "apps_to": "admin@localhost"}',
        user=str(ada.user.id),
    )
    await walk.call("PATCH /apps/{app}", {"name": "shop"}, says='"name": {"before": "blog", "after": "shop"}')
    await walk.call("DELETE /apps/{app}", says="{}", app="shop", under="shop")

    changing = {f"{route.method} {route.path}" for route in ROUTES if is_deed(route.method, route.path)}
    assert changing - walk.walked == NOBODYS
    for table in ("audit", "audit_ends"):
        rows = await api.store.database.read(lambda connection: connection.execute(f"SELECT * FROM {table}").fetchall())  # noqa: B023
        assert SECRET not in str([tuple(row) for row in rows])
