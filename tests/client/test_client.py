"""What calls ask for and give back."""

from __future__ import annotations

from typing import Any

import pytest

from pushd.client.client import Client, find_rollback_target
from pushd.client.transport import Unreachable
from pushd.errors import NotFound
from tests.client.fake_api import Answer, Asked, FakeApi

CHANGE = {"id": "c1", "state": "pending", "release": 5, "reason": ""}


def test_all_pages_of_a_list(api: FakeApi, client: Client) -> None:
    api.add_app("shop")
    for number in range(1, 8):
        api.add_dyno("shop", f"web.{number}")
    api.page_size = 3

    assert [dyno["name"] for dyno in client.dynos("shop")] == [f"web.{number}" for number in range(1, 8)]
    assert len(api.asked) == 3


def test_names_are_quoted_in_paths(api: FakeApi, client: Client) -> None:
    with pytest.raises(NotFound):
        client.app("../account?x=1#y")
    assert api.asked[0].path == "/apps/..%2Faccount%3Fx%3D1%23y"


@pytest.mark.parametrize(
    ("which", "path"),
    [
        ({}, "/apps/shop/dynos"),
        ({"dyno": "web.1"}, "/apps/shop/dynos/web.1"),
        ({"kind": "web"}, "/apps/shop/formations/web"),
        ({"dyno": "a/b"}, "/apps/shop/dynos/a%2Fb"),
    ],
)
def test_restart_of_all_one_or_a_type(api: FakeApi, client: Client, which: dict[str, str], path: str) -> None:
    api.add_app("shop")
    client.restart("shop", **which)
    assert api.paths() == [f"DELETE {path}"]


def test_a_change_is_asked_for_until_it_is_settled(api: FakeApi, client: Client) -> None:
    api.changes = [CHANGE, CHANGE, CHANGE | {"state": "succeeded"}]

    assert client.settled("c1")["state"] == "succeeded"
    assert [asked.query for asked in api.asked] == [{"wait": ["50"]}] * 3


def test_a_daemon_that_restarts_while_we_wait_is_asked_again(api: FakeApi) -> None:
    from pushd.client.transport import Transport
    from tests.client.fake_api import TOKEN

    api.changes = [CHANGE | {"state": "succeeded"}]
    waits: list[float] = []
    stopping: list[Answer] = [(503, {"id": "unavailable", "message": "Stopping."})] * 3

    def before(asked: Asked) -> Answer | None:
        return stopping.pop() if stopping else None

    api.before = before
    client = Client(Transport(api.url, token=TOKEN), sleep=waits.append)

    assert client.settled("c1")["state"] == "succeeded"
    assert len(waits) == 3
    client.close()


def test_a_daemon_that_stays_away_is_given_up(api: FakeApi) -> None:
    from pushd.client.transport import Transport

    waits: list[float] = []
    client = Client(Transport("http://127.0.0.1:1", token=None), sleep=waits.append)

    with pytest.raises(Unreachable):
        client.settled("c1")
    assert 20 <= sum(waits) < 30


def test_log_lines_once(api: FakeApi, client: Client) -> None:
    api.add_app("shop")
    api.logs = ["1 app[web.1]: one", "2 app[web.1]: two"]

    assert list(client.log_lines("shop", lines=10, tail=False, source="app", dyno="web")) == api.logs
    assert api.last("POST").body == {"lines": 10, "tail": False, "source": "app", "dyno": "web"}


def test_a_tail_goes_on_behind_the_last_line_after_a_break(api: FakeApi, client: Client) -> None:
    api.add_app("shop")
    api.tails = [["1 one", "2 two"], [], ["3 three"]]
    lines = client.log_lines("shop", lines=10, tail=True)

    assert [next(lines) for _ in range(3)] == ["1 one", "2 two", "3 three"]
    streams = [asked for asked in api.asked if asked.path == "/logs/s3cret"]
    assert [asked.headers.get("last-event-id") for asked in streams] == [None, "2", "2"]
    assert api.last("POST").body["lines"] == 0


def test_a_tail_of_an_app_that_is_destroyed_ends(api: FakeApi, client: Client) -> None:
    api.add_app("shop")
    api.tails = [["1 one"]]
    lines = client.log_lines("shop", lines=10, tail=True)
    assert next(lines) == "1 one"
    del api.apps["shop"]

    with pytest.raises(NotFound):
        next(lines)


def _release(version: int, *, current: bool = False, eligible: bool = True) -> Any:
    return {"version": version, "current": current, "eligible_for_rollback": eligible}


@pytest.mark.parametrize(
    ("releases", "target"),
    [
        ([_release(3, current=True), _release(2), _release(1, eligible=False)], 2),
        ([_release(4, eligible=False), _release(3, current=True), _release(2)], 2),  # v4 failed: v3 still runs
        ([_release(4, current=True), _release(3, eligible=False), _release(2)], 2),
        ([_release(2, current=True), _release(1, eligible=False)], None),
        ([], None),
    ],
)
def test_what_rollback_without_a_number_means(releases: list[Any], target: int | None) -> None:
    if target is None:
        with pytest.raises(NotFound):
            find_rollback_target(releases)
    else:
        assert find_rollback_target(releases)["version"] == target
