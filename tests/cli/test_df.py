"""What is taken of the disk."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli


def test_all_apps_and_what_is_left(shop: Cli) -> None:
    rows = [" ".join(line.split()) for line in shop.ok("df").splitlines()]

    assert rows[0] == "APP REPOSITORY SLUGS ENVIRONMENTS CACHES OUTPUTS LOGS STORAGE TOTAL"
    assert rows[1] == "shop 1 KB 2 MB 30 MB 0 B 5 B 6 B 7 B 32 MB"
    assert {"Total: 64 MB", "Free: 4 GB of 10 GB; builds leave 50 MB", "Free files: 123"} <= set(rows)
    assert json.loads(shop.ok("df", "--json"))["apps"][0]["app"]["name"] == "shop"


def test_one_app(shop: Cli) -> None:
    rows = [" ".join(line.split()) for line in shop.ok("df", "--app", "shop").splitlines()]

    assert rows[0] == "=== shop Disk"
    assert {"Environments: 30 MB", "Total: 32 MB"} <= set(rows)
    assert json.loads(shop.ok("df", "-a", "shop", "--json"))["slugs"] == 2_000_000
    assert shop("df", "--app", "nothere").code == 1
