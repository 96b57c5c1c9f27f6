"""Custom domains as visitors meet them; what an app has survives a killed daemon and goes with the app."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.e2e.harness import Project, Server
from tests.pki import issue

SECRET_URL = "https://ada:s3cret@logs.example.com/in?t0ken=1"


def test_visitors_of_a_custom_domain_reach_the_app(deployed: Project) -> None:
    app, body = deployed.app, deployed.get().body
    www, wild = f"www.{app}.example.com", f"*.{app}.example.org"
    assert deployed.get(Host=www).status == 404

    printed = deployed.ok("domains:add", www.upper())
    deployed.ok("domains:add", wild)

    assert f"Point the CNAME record of {www} to {app}.localhost" in printed
    assert deployed.get(Host=www).body == deployed.get(Host=f"{www.upper()}:8080").body == body
    assert deployed.get(Host=wild.replace("*", "any")).body == body
    assert deployed.get(Host=wild.replace("*", "a.b")).status == deployed.get(Host=wild[2:]).status == 404
    deployed.ok("maintenance:on")
    assert deployed.get(Host=www).status == 503
    deployed.ok("maintenance:off")
    deployed.ok("domains:remove", www)
    assert deployed.get(Host=www).status == 404
    deployed.ok("domains:clear")
    assert deployed.get(Host=wild.replace("*", "any")).status == 404
    assert deployed.get().body == body


def test_a_domain_stays_with_its_app_when_that_is_renamed(deployed: Project) -> None:
    www, new = f"www.{deployed.app}.example.com", f"{deployed.app}-new"
    deployed.ok("domains:add", www)
    body = deployed.get(Host=www).body

    deployed.ok("rename", new)

    try:
        assert deployed.get(Host=www).body == body
        assert json.loads(deployed.ok("domains:info", www, "--json"))["cname"] == f"{new}.localhost"
    finally:
        deployed.ok("rename", deployed.app, "--app", new)


def everything_of(server: Server, app: str) -> list[Any]:
    kinds = ("domains", "sni-endpoints", "collaborators", "log-drains")
    paths = [*(f"/apps/{app}/{kind}" for kind in kinds), "/account/keys"]
    return [server.call("GET", path) for path in paths]


def test_what_an_app_has_survives_a_killed_daemon_and_goes_with_the_app(own_server: Server, tmp_path: Path) -> None:
    server, one = own_server, issue("www.example.com")
    (tmp_path / "c.pem").write_text(one.pem)
    (tmp_path / "k.pem").write_text(one.key_pem)
    server.ok("create", "shop", "--no-remote")
    server.ok("create", "other", "--no-remote")
    on_shop = ("--app", "shop")
    name = json.loads(server.ok("certs:add", str(tmp_path / "c.pem"), str(tmp_path / "k.pem"), "--json", *on_shop))["name"]
    server.ok("domains:add", "www.example.com", "--cert", name, *on_shop)
    server.ok("access:add", "ada@example.com", *on_shop)
    warned = server.pushd("drains:add", SECRET_URL, *on_shop)
    server.ok("keys:add", "--yes")
    before = everything_of(server, "shop")
    taken = server.pushd("domains:add", "www.example.com", "--app", "other")

    server.stop(signal.SIGKILL)
    server.start()

    assert "does not deliver to drains yet" in warned.stderr
    assert (taken.exit_code, "currently in use by another app" in taken.stderr) == (1, True)
    assert everything_of(server, "shop") == before
    assert [status for status, _ in before] == [200] * 5
    assert server.get("shop", Host="www.example.com").status == server.get("shop").status != 404
    told = server.ok("logs", *on_shop) + server.daemon_log()
    assert "Add drain" in told
    assert "s3cret" not in told
    assert "t0ken" not in told
    for file in server.data.glob("pushd.sqlite3*"):
        assert b"s3cret" not in file.read_bytes()
        assert one.key_pem.splitlines()[1].encode() not in file.read_bytes()
    server.ok("apps:destroy", *on_shop, "--confirm", "shop")
    server.ok("domains:add", "www.example.com", "--app", "other")
    assert server.get("other", Host="www.example.com").status == server.get("other").status
    assert json.loads(server.ok("certs", "--app", "other", "--json")) == []
