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
from tests.contracts.openapi import WITH_BODY, openapi
from tests.contracts.validate import ContractChecker
from tests.pki import issue

pytestmark = pytest.mark.hypothesis
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
    if mode is GenerationMode.POSITIVE or (route.method in WITH_BODY and "/formation" not in route.path)
]  # of the formation's schema schemathesis finds no body that breaks it: tests/api/test_bad_input.py has some
NEVER_THERE = ("{token}", "/oauth/clients/{client}", "/actions/rotate-credentials", "/account/features/{feature}")
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
        known = self._do(_furnished(api))
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


async def _furnished(api: Api) -> dict[str, str]:
    """One of each thing that a body can be about; by its id, so that no body takes it away by renaming it."""
    shop = await api.deployed("shop")
    at = f"/apps/{shop.app.id}"
    issued = issue("www.example.com")

    async def made(path: str, body: dict[str, Any]) -> str:
        answer = await api.request("POST", path, body)
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    pipeline = await made("/pipelines", {"name": "shops"})
    return {
        "app": str(shop.app.id), "type": "web", "dyno": "web.1", "user": "~", "feature": "log-runtime-metrics",
        "authorization": await made("/oauth/authorizations", {"description": "not the one of these calls"}),
        "domain": await made(f"{at}/domains", {"hostname": "www.example.com", "sni_endpoint": None}),
        "sni_endpoint": await made(f"{at}/sni-endpoints", {"certificate_chain": issued.pem, "private_key": issued.key_pem}),
        "webhook": await made(f"{at}/webhooks", {"include": ["api:release"], "level": "notify", "url": "https://example.com"}),
        "pipeline": pipeline,
        "coupling": await made("/pipeline-couplings", {"app": str(shop.app.id), "pipeline": pipeline, "stage": "staging"}),
    }  # fmt: skip


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
    if name.startswith(WITH_BODY) and not name.endswith(NEVER_THERE):
        assert set(found) != {"404"}, "no body was read: nothing is there"
