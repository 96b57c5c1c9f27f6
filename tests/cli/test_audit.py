"""What the audit trail looks like to who reads it."""

from __future__ import annotations

import json

import pytest

from pushd.client.client import Client
from pushd.errors import Forbidden
from tests.cli.conftest import Cli

BY = "ada@example.com (token laptop (pushd-Ab**********yz12), 192.0.2.7)"


def test_entries_stand_in_order_with_names_and_how_they_ended(shop: Cli) -> None:
    assert shop.ok("audit", "--app", "shop").splitlines() == [
        f"2026-01-02T03:04:05Z {BY}: PATCH /apps/{{app}} of shop name=a->b KEY=set list=x,y",
        f"2026-01-02T03:04:06Z {BY}: git push of shop -> no end",
    ]
    assert shop.api.last("GET").query == {"limit": ["50"]}


def test_all_of_the_server_as_json(shop: Cli) -> None:
    entries = json.loads(shop.ok("audit", "-n", "7", "--json"))

    assert [each["sequence"] for each in entries] == [2, 1]
    assert (shop.api.last("GET").path, shop.api.last("GET").query) == ("/-/audit", {"limit": ["7"]})


@pytest.mark.parametrize(("words", "told"), [((), True), (("--app", "shop"), False)])
def test_who_may_not_see_all_of_it_is_told_what_to_ask_for(
    shop: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: bool
) -> None:
    def refuse(client: Client, app: str | None, *, limit: int) -> None:
        raise Forbidden("You may not.", remedy="Ask an admin of this server.")

    monkeypatch.setattr(Client, "audit", refuse)

    ended = shop("audit", *words)

    assert (ended.code, "Ask an admin of this server." in ended.err, "pushd audit --app APP" in ended.err) == (1, True, told)
