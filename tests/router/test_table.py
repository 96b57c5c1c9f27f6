"""Which route answers for which host; the table's way over the wire."""

from __future__ import annotations

import json

import pytest

from pushd.model.routing import Route, Table, Target, WebState, table_from_dict, table_to_dict
from pushd.router.limits import Limits, limits_from_text
from pushd.router.table import Lookup, parse_host

SHOP = Route(
    app_id="1",
    app_name="shop",
    hosts=("shop.localhost", "www.shop.example", "*.shop.example"),
    targets=(Target(dyno_id="d", name="web.1", port=4000),),
    state=WebState.SERVING,
    maintenance=True,
    maintenance_page="<p>ä</p>",
)
BLOG = Route(app_id="2", app_name="blog", hosts=("blog.localhost",))


@pytest.mark.parametrize(
    ("host", "route"),
    [
        ("shop.localhost", SHOP),
        ("blog.localhost", BLOG),
        ("www.shop.example", SHOP),
        ("any.shop.example", SHOP),
        ("a.b.shop.example", None),
        ("shop.example", None),
        (".shop.example", None),
        ("other.localhost", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_a_host_finds_its_route_or_the_default(host: str, route: Route | None) -> None:
    assert Lookup(Table(number=1, routes=(SHOP, BLOG))).maybe_route(host) is route
    assert Lookup(Table(number=1, routes=(SHOP, BLOG), default_app_id="2")).maybe_route(host) is (route or BLOG)


def test_one_host_cannot_be_taken_by_a_second_app() -> None:
    thief = Route(app_id="3", app_name="thief", hosts=("shop.localhost",))
    assert Lookup(Table(number=1, routes=(SHOP, thief))).maybe_route("shop.localhost") is SHOP


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"shop.localhost", "shop.localhost"),
        (b"Shop.LOCALHOST:8080", "shop.localhost"),
        (b"shop.localhost.", "shop.localhost"),
        (b"shop.localhost:", "shop.localhost"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"[::1]:80", "[::1]"),
        (b"", ""),
        (b"a b", None),
        (b"a/b", None),
        (b"a@b", None),
        (b"a:b", None),
        (b"a:123456", None),
        (b"a,b", None),
        (b"\xc3\xa4.localhost", None),
        (b'a"b', None),
        (b"a\n", None),
    ],
)
def test_a_host_is_read_without_case_and_port(authority: bytes, host: str | None) -> None:
    assert parse_host(authority) == host


def test_a_table_survives_the_wire() -> None:
    table = Table(number=7, routes=(SHOP, BLOG), default_app_id="2")
    assert table_from_dict(json.loads(json.dumps(table_to_dict(table)))) == table


@pytest.mark.parametrize("raw", [{}, {"number": 1}, {"number": 1, "routes": [{}], "default_app_id": ""}])
def test_a_broken_table_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        table_from_dict(raw)


def test_limits_are_read_from_text() -> None:
    assert limits_from_text(["queue_seconds=0.2", "headers=5"]) == Limits(queue_seconds=0.2, headers=5)


@pytest.mark.parametrize("pair", ["queue_seconds", "queue_seconds=x", "nothing=1", "headers=1.5"])
def test_a_bad_limit_is_named(pair: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        limits_from_text([pair])
