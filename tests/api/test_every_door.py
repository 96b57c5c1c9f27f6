"""Every path of the server asks the policy: walked over the table of routes with no token, strangers' and too narrow ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from pushd.access.actions import BESIDE_ITS_APP, GRANTS, RULES, Action, Who
from pushd.api.absent import ABSENT
from pushd.api.routes import ROUTES, Route
from pushd.api.signed import KEY, Signer
from pushd.api.urls import whose
from pushd.model.user import Scope, User
from tests.api.conftest import Answer, Api, share

shared_server = pytest.mark.asyncio(loop_scope="module")
ASKING = [route for route in ROUTES if route.action is not None and not route.purpose]
SIGNED = [route for route in ROUTES if route.purpose]
_IDS = [f"{route.method} {route.path}" for route in SIGNED]


class People:
    """Tokens of those who come to the doors of one server with the app `shop`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.tokens: dict[str, str] = {}

    async def ask(self, who: str | None, method: str, path: str) -> Answer:
        token = None if who is None else self.tokens.get(who, who)
        return await self.api.request(method, path, token=token)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(shared: Api) -> People:
    users, found = shared.store.users, People(shared)
    await shared.create("other")
    other = await shared.store.apps.find("other")
    stranger, _ = await shared.store.accounts.add("stranger@example.com", is_admin=False, by=shared.operator)
    found.tokens["stranger"] = (await users.create_authorization(stranger.user, "theirs"))[1]
    found.tokens["other app"] = (await users.create_authorization(shared.operator, "of one app", app=other))[1]
    for scope in Scope:
        made = await users.create_authorization(shared.operator, scope, scopes=frozenset({scope}))
        found.tokens[scope] = made[1]
    return found


def path_of(path: str, app: str = "shop") -> str:
    return re.sub(r"\{[^}]+\}", "x", path.replace("{app}", app))


def all_rows() -> Iterator[tuple[str, str, Action]]:
    """Method, path and action of every row that asks for a token, those of what is absent too."""
    yield from ((route.method, route.path, route.action) for route in ASKING if route.action is not None)
    yield from (("GET" if row.method == "*" else row.method, row.path, row.action) for row in ABSENT)


def is_told_nothing(theirs: Answer, nowhere: Answer) -> bool:
    """Whether two answers are the same to the byte, but for what differs between any two."""
    varying = {"Request-Id", "Date", "RateLimit-Remaining"}
    heads = [{name: text for name, text in answer.headers.items() if name not in varying} for answer in (theirs, nowhere)]
    return (theirs.status, theirs.text, heads[0]) == (404, nowhere.text, heads[1])


@shared_server
async def test_no_path_is_served_beside_the_tables(shared: Api) -> None:
    application = shared.server._runner.app
    served = {(route.method, route.resource.canonical) for route in application.router.routes() if route.resource}
    known = {(route.method, route.path) for route in ROUTES}
    known |= {(row.method, row.path.replace(":.+", "")) for row in ABSENT}
    heads = {("HEAD", path) for method, path in known if method == "GET"}

    assert served - known - heads == {("GET", "/crash"), ("HEAD", "/crash")}  # of these tests


@shared_server
@pytest.mark.parametrize("token", [None, "undefined", "pushd-wrong"])
async def test_without_an_account_no_door_opens(people: People, token: str | None) -> None:
    for method, path, _ in all_rows():
        for app in ("shop", "nowhere"):
            answer = await people.ask(token, method, path_of(path, app))
            assert (answer.status, answer.json["id"]) == (401, "unauthorized"), (method, path)


@shared_server
@pytest.mark.parametrize("who", ["stranger", "other app"])
async def test_an_app_of_others_looks_as_one_that_is_not_there(people: People, who: str) -> None:
    for method, path, _ in all_rows():
        if "{app}" in path:
            theirs = await people.ask(who, method, path_of(path))
            nowhere = await people.ask(who, method, path_of(path, "nowhere"))
            assert is_told_nothing(theirs, nowhere), (method, path, theirs.text, nowhere.text)
            assert theirs.json["resource"] == "app"


@shared_server
async def test_what_is_the_admins_is_nobody_elses(people: People) -> None:
    walked = [(method, path) for method, path, action in all_rows() if RULES[action] is Who.ADMIN]
    assert len(walked) >= 9
    for method, path in walked:
        answer = await people.ask("stranger", method, path_of(path))
        assert (answer.status, answer.json["id"]) == (403, "forbidden"), (method, path)


@shared_server
@pytest.mark.parametrize("scope", Scope)
async def test_a_scope_that_does_not_reach_so_far_is_refused(people: People, scope: Scope) -> None:
    walked = [(method, path) for method, path, action in all_rows() if action not in GRANTS[scope]]
    assert bool(walked) == (scope is not Scope.GLOBAL)
    for method, path in walked:
        answer = await people.ask(scope, method, path_of(path))
        assert (answer.status, answer.json["id"]) == (403, "forbidden"), (method, path)
        assert f"({scope})" in answer.json["message"]


@shared_server
async def test_a_token_of_one_app_opens_nothing_beside_it(people: People) -> None:
    for method, path, action in all_rows():
        if "{app}" not in path and action not in BESIDE_ITS_APP:
            answer = await people.ask("other app", method, path_of(path))
            assert (answer.status, answer.json["id"]) == (403, "forbidden"), (method, path)


# --- signed URLs: their maker's right is asked when they are used ---------------------------------------------------------


class Urls:
    """Makes a URL for each signed route, in the name of whoever is to have made it."""

    def __init__(self, api: Api, signer: Signer, claims: dict[str, Any]) -> None:
        self.api = api
        self.signer = signer
        self.claims = claims

    def of(self, route: Route, user: User, *, purpose: str | None = None) -> str:
        claims = {**self.claims, **whose(user)}
        if route.path.startswith("/sources/"):
            del claims["app"]
        return self.signed(purpose or route.purpose, claims, route)

    def signed(self, purpose: str, claims: dict[str, Any], route: Route) -> str:
        """The URL that says no more than this."""
        until = datetime.now(UTC) + timedelta(hours=1)
        return route.path.replace("{token}", self.signer.sign(purpose, claims, until=until))

    async def status(self, route: Route, url: str) -> int:
        async with self.api.session.request(route.method, f"http://{self.api.address}{url}", data=b"") as answer:
            return answer.status

    async def refusal(self, route: Route, url: str) -> Answer:
        answer = await self.api.request(route.method, url, token=None)
        assert answer.status == 404, (route, answer.text)
        assert answer.json["message"].startswith("This URL is not valid, or not any more.")
        return answer


@pytest_asyncio.fixture
async def urls(api: Api) -> Urls:
    made = await api.deployed("blog")
    claims = {"app": str(made.app.id), "id": str(made.build.id), "slug": str(made.slug.id), "upload": str(made.build.id),
              "lines": 1, "follow": False, "process": "", "source": ""}  # fmt: skip
    return Urls(api, Signer(api.store.derive_key(KEY)), claims)


@pytest.mark.parametrize("route", SIGNED, ids=_IDS)
async def test_a_signed_url_is_good_while_its_maker_may(urls: Urls, route: Route) -> None:
    api = urls.api
    maker = await share(api, "blog")
    url = urls.of(route, maker)
    refused = await urls.refusal(route, route.path.replace("{token}", "wrong"))
    passed = await urls.status(route, url)
    was_handled = passed < 400 or route.path.startswith(
        ("/slugs", "/sources", "/streams")
    )  # there is no such archive or output
    assert was_handled, passed

    if route.path.startswith("/sources/"):
        await api.store.users.revoke((await api.store.users.authorizations(maker))[0].id)
    else:
        await api.request("DELETE", "/apps/blog/collaborators/ada@example.com")
    assert (await urls.refusal(route, url)).text == refused.text


@pytest.mark.parametrize("route", SIGNED, ids=_IDS)
async def test_a_signed_url_ends_with_its_token_its_user_and_its_app(urls: Urls, route: Route) -> None:
    api = urls.api
    maker = await share(api, "blog")
    (authorization,) = await api.store.users.authorizations(maker)
    await api.store.users.rotate(maker, str(authorization.id))
    await urls.refusal(route, urls.of(route, maker))

    other = await share(api, "blog", "ben@example.com")
    url = urls.of(route, other)
    await api.store.accounts.remove(other, by=api.operator)
    await urls.refusal(route, url)
    if not route.path.startswith("/sources/"):
        await api.store.apps.delete(await api.store.apps.find("blog"))
        await urls.refusal(route, urls.of(route, api.operator))


@pytest.mark.parametrize("route", SIGNED, ids=_IDS)
async def test_a_signed_url_of_nobody_or_of_another_purpose_is_none(urls: Urls, route: Route) -> None:
    nobody = replace(urls.api.operator, id=UUID(int=1))
    await urls.refusal(route, urls.of(route, nobody))
    for purpose in {each.purpose for each in SIGNED} - {route.purpose}:
        await urls.refusal(route, urls.of(route, urls.api.operator, purpose=purpose))
    await urls.refusal(route, urls.signed(route.purpose, urls.claims, route))  # as older servers made them


@pytest.mark.parametrize(
    "route", [each for each in SIGNED if each.action is not Action.IDENTITY], ids=lambda each: each.purpose
)
async def test_a_signed_url_reaches_no_further_than_the_token_of_its_maker(urls: Urls, route: Route) -> None:
    users = urls.api.store.users
    _, token = await users.create_authorization(urls.api.operator, "narrow", scopes=frozenset({Scope.IDENTITY}))
    narrow = await users.by_token(token)
    assert narrow
    await urls.refusal(route, urls.of(route, narrow))
