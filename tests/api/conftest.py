"""The API over real HTTP on a free port, with the real store; every JSON answer is held against the published schema."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from pushd.access.access import Access
from pushd.access.rates import Rates
from pushd.access.slowdown import Slowdown
from pushd.access.standing import Standing
from pushd.api.certificate import Certificate
from pushd.api.needs import Site
from pushd.api.server import ApiServer, make_application
from pushd.kit.aio import Nursery
from pushd.kit.clock import SystemClock
from pushd.kit.listen import bind, shown_address
from pushd.kit.reach import Reach
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.dyno import Dyno
from pushd.model.protection import Protection
from pushd.model.release import Release, ReleaseEvent
from pushd.model.slug import Slug
from pushd.model.user import User
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from pushd.story.belongings import Belongings
from pushd.story.disk import DiskReserve
from pushd.story.disk_usage import DiskUsage
from pushd.story.outputs import Outputs
from pushd.story.slug_uploads import SlugUploads
from pushd.story.source_builds import SourceBuilds
from pushd.story.uploads import Uploads
from tests.api.fakes import (
    EPOCH,
    FakeAppLog,
    FakeApps,
    FakeBuilder,
    FakeDeploys,
    FakeOutputs,
    FakePromotions,
    FakeRouter,
    FakeRuns,
    FakeTails,
)
from tests.contracts.validate import ContractChecker
from tests.fakes import InstantClock

TOKEN = "pushd-operator-token"
BODY_LIMIT_BYTES = 100_000
UPLOAD_LIMIT_BYTES = 300_000
TYPES = {"web": "gunicorn hello:app", "worker": "python worker.py", "release": "flask db upgrade"}
CHECKER = ContractChecker()


@dataclass(frozen=True)
class Answer:
    """One response, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Deployed:
    """An app to which something was pushed, and what that left."""

    app: App
    slug: Slug
    build: Build
    release: Release
    dyno: Dyno


class Api:
    """The server under test and a client of it."""

    def __init__(self, address: str, session: aiohttp.ClientSession, server: ApiServer, checker: ContractChecker) -> None:
        self.address = address
        self.session = session
        self.server = server
        self.checker = checker
        self.store: Store
        self.operator: User
        self.deploys: FakeDeploys
        self.apps: FakeApps
        self.runs: FakeRuns
        self.outputs: FakeOutputs
        self.router: FakeRouter
        self.app_log: FakeAppLog
        self.roots: list[bytes]  # authorities that the machine trusts
        self.tails: FakeTails
        self.tls: Path
        self.nursery: Nursery
        self.punishing: InstantClock  # of failed log-ins

    @property
    def authorized(self) -> dict[str, str]:
        """Headers of the operator."""
        return {"Authorization": f"Bearer {TOKEN}"}

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if body is not None:
            data = json.dumps(body).encode()
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as response:
            answer = Answer(response.status, dict(response.headers), await response.text())
        if response.content_type == "application/json":
            self.checker.check(method, path, answer.status, answer.json)
        return answer

    async def get(self, path: str, **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.request("GET", path, **options)
        assert answer.status in (200, 206), answer.text
        return answer.json

    async def create(self, name: str = "blog") -> App:
        answer = await self.request("POST", "/apps", {"name": name})
        assert answer.status == 201, answer.text
        return await self.store.apps.find(name)

    async def deployed(self, name: str = "blog") -> Deployed:
        """An app with one deploy: a slug, a build, a release that is current, a web dyno."""
        app = await self.create(name)
        slug = await self.store.slugs.create(
            Slug(
                id=uuid4(),
                app_id=app.id,
                checksum="ab" * 32,
                environment="",
                commit="1a2b3c4d" * 5,
                commit_description="Say hello",
                process_types=TYPES,
                buildpack_description="Python",
                size_bytes=12345,
                created_at=EPOCH,
            )
        )
        build = await self.store.builds.create(app, user=self.operator, commit=slug.commit, branch="main")
        release = await self.store.releases.create(
            app,
            slug_id=slug.id,
            process_types=TYPES,
            config=None,
            description="Deploy 1a2b3c4d",
            user=self.operator,
            phase_passed=True,
            formation={"web": 1, "worker": 0},
        )
        release = await self.store.releases.move(release, ReleaseEvent.WENT_LIVE)
        build = await self.store.builds.update(
            build, status=BuildStatus.SUCCEEDED, slug_id=slug.id, release_id=release.id, buildpacks=["python"]
        )
        dyno = self.deploys.start(app, release, "web.1", TYPES["web"])
        return Deployed(app, slug, build, release, dyno)


async def share(api: Api, app: str, email: str = "ada@example.com") -> User:
    """Share an app with somebody; gives them as they come with a token of theirs."""
    answer = await api.request("POST", f"/apps/{app}/collaborators", {"user": email})
    assert answer.status == 201, answer.text
    user = await api.store.users.maybe_by_email(email)
    assert user
    _, token = await api.store.users.create_authorization(user, "theirs")
    user = await api.store.users.by_token(token)
    assert user
    return user


async def _crash(request: web.Request) -> web.Response:
    raise RuntimeError("a secret detail")


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """One server with the deployed app `shop` for all tests of a module that change nothing."""
    async with running_api(tmp_path_factory.mktemp("shared")) as api:
        await api.deployed("shop")
        yield api


def running_api(tmp_path: Path, checker: ContractChecker = CHECKER, *, requests_per_hour: int = 0) -> Any:
    """An async context manager that serves the API from a new data folder."""
    return _Running(tmp_path, checker, requests_per_hour)


class _Running:
    def __init__(self, folder: Path, checker: ContractChecker, requests_per_hour: int) -> None:
        self.requests_per_hour = requests_per_hour
        self.folder = folder
        self.checker = checker

    async def __aenter__(self) -> Api:
        layout, clock = Layout(self.folder / "data"), SystemClock()
        layout.make()
        self.store = await Store.open(layout.store, KeyFile(layout.secret_key), clock)
        operator = await self.store.users.create_operator("admin@localhost", TOKEN)
        deploys, apps, outputs, tails = FakeDeploys(self.store), FakeApps(self.store), FakeOutputs(), FakeTails()
        router, app_log, roots = FakeRouter(), FakeAppLog(), list[bytes]()
        disk = DiskReserve(layout.data, 0)
        uploads = Uploads(layout, disk, limit_bytes=UPLOAD_LIMIT_BYTES)
        self.nursery = Nursery("api tests")
        self.punishing = InstantClock()
        runs = FakeRuns(deploys)
        access = Access(self.store.users, slowdown=Slowdown(self.punishing))
        application = await make_application(
            store=self.store,
            access=access,
            standing=Standing(access, self.store.apps, clock, self.store.database.on_write),
            rates=Rates(self.requests_per_hour, clock),
            deploys=deploys,
            dynos=deploys,
            apps=apps,
            belongings=Belongings(
                store=self.store,
                router=router,
                app_log=app_log,
                disk=DiskReserve(layout.data, 0),
                clock=clock,
                domain="localhost",
                roots=lambda: roots,
            ),
            promotions=FakePromotions(self.store),
            runs=runs,
            outputs=outputs,
            uploads=uploads,
            source_builds=SourceBuilds(
                store=self.store,
                deploys=deploys,
                outputs=Outputs(layout),
                uploads=uploads,
                disk=disk,
                nursery=self.nursery,
                reach=Reach(),
                fetch_seconds=60,
            ),
            slug_uploads=SlugUploads(
                store=self.store, layout=layout, builder=FakeBuilder(self.store), uploads=uploads, disk=disk, clock=clock
            ),
            disk_usage=DiskUsage(store=self.store, layout=layout, disk=disk),
            tails=tails,
            clock=clock,
            site=Site(
                version="0.1.0",
                domain="localhost",
                web_url_of=lambda app: f"http://{app.name}.localhost:8080/",
                body_limit_bytes=BODY_LIMIT_BYTES,
                buildpacks=("python",),
                started_at=clock.now(),
                protections=(Protection("sandbox", True, "by bubblewrap"), Protection("own user", False, "we are not root")),
            ),
        )
        application.router.add_get("/crash", _crash)
        self.server = ApiServer(application, certificate=Certificate(layout.tls, "localhost"), clock=clock)
        listening = bind("127.0.0.1:0")
        address = shown_address(listening)
        await self.server.start([listening])
        self.session = aiohttp.ClientSession()
        api = Api(address, self.session, self.server, self.checker)
        api.store, api.operator, api.deploys, api.apps = self.store, operator, deploys, apps
        api.router, api.app_log, api.roots = router, app_log, roots
        api.runs, api.outputs, api.tails, api.tls = runs, outputs, tails, layout.tls
        api.nursery, api.punishing = self.nursery, self.punishing
        return api

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.server.stop()
        await self.nursery.close()
        await self.store.close()
