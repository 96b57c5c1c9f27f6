"""Features: switches among the settings of an app."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api


async def test_features_are_shown_and_switched(api: Api) -> None:
    await api.create("shop")
    listed = await api.get("/apps/shop/features")
    assert {each["name"]: (each["enabled"], each["state"]) for each in listed} == {
        "runtime-dyno-metadata": (True, "general"),
        "log-runtime-metrics": (False, "public"),
    }

    by_id = next(each["id"] for each in listed if each["name"] == "runtime-dyno-metadata")
    for which, enabled in (("log-runtime-metrics", True), (by_id, False), (by_id, False)):
        answer = await api.request("PATCH", f"/apps/shop/features/{which}", {"enabled": enabled})
        assert (answer.status, answer.json["enabled"]) == (200, enabled)
        assert (await api.get(f"/apps/shop/features/{which}"))["enabled"] is enabled

    settings = {each["name"]: each["value"] for each in (await api.get("/-/apps/shop/settings"))["settings"]}
    assert (settings["log-runtime-metrics"], settings["runtime-dyno-metadata"]) == ("on", "off")


@pytest.mark.parametrize("body", [{}, {"enabled": "on"}, {"enabled": None}, {"enabled": 2}])
async def test_a_switch_is_on_or_off(api: Api, body: Any) -> None:
    await api.create("shop")
    answer = await api.request("PATCH", "/apps/shop/features/log-runtime-metrics", body)
    assert (answer.status, answer.json["id"]) == (422, "invalid_params")
    assert (await api.get("/apps/shop/features/log-runtime-metrics"))["enabled"] is False


@pytest.mark.parametrize("path", ["/apps/shop/features/requests-per-dyno", "/account/features/log-runtime-metrics"])
async def test_what_is_no_feature(api: Api, path: str) -> None:
    await api.create("shop")
    for method in ("GET", "PATCH"):
        answer = await api.request(method, path, {"enabled": True} if method == "PATCH" else None)
        assert (answer.status, answer.json["resource"]) == (404, "feature")
