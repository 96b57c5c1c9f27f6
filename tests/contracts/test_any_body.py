"""No body and no path gives a 500: schemathesis makes them, fitting and not, for every route that takes one.

Few examples here and the same ones each time; `make test-long` tries many (see tests/conftest.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from pushd.api.routes import ROUTES
from tests.api.conftest import TOKEN, Api, running_api
from tests.contracts.openapi import openapi
from tests.contracts.validate import ContractChecker

pytestmark = pytest.mark.hypothesis
WITH_BODY = ("POST", "PATCH", "PUT")
NO_ANSWER_OF_THEIRS = ("/logs/", "/streams/")  # streams: their path is a secret, nothing is parsed
SERVED = [
    route
    for route in ROUTES
    if (route.method in WITH_BODY or "{" in route.path) and not route.path.startswith(NO_ANSWER_OF_THEIRS)
]
OPERATIONS = [  # a request without a body fits always: its path is a text
    (f"{route.method} {route.path}", mode)
    for route in SERVED
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or route.method in WITH_BODY
]
EXAMPLES_QUICK, EXAMPLES_LONG = 3, 30  # making one takes longer than asking


class Served:
    """The API in a thread of its own, with an app; and what schemathesis makes of its routes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.checker = ContractChecker()

    def __enter__(self) -> Served:
        self._thread.start()
        self._running = running_api(self._folder)
        api: Api = self._do(self._running.__aenter__())
        shop = self._do(api.deployed("shop"))
        known = {
            "app": str(shop.app.id), "release": "v2", "slug": str(shop.slug.id), "build": str(shop.build.id), "type": "web",
            "dyno": "web.1", "domain": "shop.localhost", "collaborator": "admin@localhost", "user": "~", "region": "us",
            "stack": "heroku-24", "authorization": "~",
        }  # fmt: skip
        self.url = f"http://{api.address}"
        found = (each.ok() for each in schemathesis.openapi.from_dict(openapi(ROUTES, known)).get_all_operations())
        self.operations = {operation.definition.raw["operationId"]: operation for operation in found}
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._running.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.mark.parametrize(("name", "mode"), OPERATIONS, ids=[f"{name} {mode.value}" for name, mode in OPERATIONS])
def test_whatever_is_sent_is_answered(served: Served, name: str, mode: GenerationMode) -> None:
    strategy = served.operations[name].as_strategy(generation_mode=mode)
    found: list[str] = []

    @settings(
        max_examples=EXAMPLES_QUICK if settings.default.derandomize else EXAMPLES_LONG, deadline=None, database=None,
        phases=[Phase.generate],  # a body that fails is told as it is: making it smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call(base_url=served.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        found.append(f"{answer.status_code}")
        assert answer.status_code < 500, answer.text
        if answer.headers.get("content-type", [""])[0].startswith("application/json"):
            served.checker.check(case.method.upper(), name.partition(" ")[2], answer.status_code, answer.json())

    ask()
    assert found
