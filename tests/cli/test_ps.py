"""Dynos: shown, scaled, restarted, stopped, waited for; one-off dynos."""

from __future__ import annotations

import json

import pytest

from pushd.cli import ps
from pushd.cli.run import shell_line
from tests.cli.conftest import Cli
from tests.client.fake_api import Answer, Asked

DONE = {"id": "c1", "state": "succeeded", "release": 2, "reason": ""}
FAILED = {"id": "c1", "state": "failed", "release": 2, "reason": "web.1 did not come up.\nLook at pushd logs."}


def test_show(shop: Cli) -> None:
    assert "ps:scale" in shop("ps").err
    for name in ("web.2", "web.10", "web.1", "worker.1", "run.7"):
        shop.api.add_dyno("shop", name, command=f"run {name}", state="crashed" if name == "web.2" else "up")
    printed = shop.ok("ps")

    order = [line.split(":")[0] for line in printed.splitlines() if "(~" in line]
    assert order == ["web.1", "web.2", "web.10", "run.7", "worker.1"]
    assert "=== web: run web.1 (3)\n" in printed
    assert "=== run (one-off) (1)\n" in printed
    assert "web.2: crashed 2026/01/02 03:04:05 +0000 (~ " in printed
    assert [dyno["name"] for dyno in json.loads(shop.ok("ps", "worker", "--json"))] == ["worker.1"]


def test_scale_without_arguments_shows(shop: Cli) -> None:
    assert "Push first" in shop("ps:scale").err
    shop.api.set_formation("shop", web=2, worker=0)
    assert shop.ok("ps:scale") == "web=2:standard-1x worker=0:standard-1x\n"
    assert json.loads(shop.ok("ps:scale", "--json"))[0]["quantity"] == 2


def test_scale(shop: Cli) -> None:
    shop.api.set_formation("shop", web=1, worker=3)
    shop.api.changes = [DONE]
    ended = shop("ps:scale", "web=2", "worker-1")

    assert ended.err == "Scaling dynos... done, now running web at 2, worker at 2\n"
    assert shop.api.last("PATCH").body == {"updates": [{"type": "web", "quantity": "2"}, {"type": "worker", "quantity": "-1"}]}
    assert shop.api.paths()[-1] == "GET /-/changes/c1"


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("web=2", ("web", "2")),
        ("web+1", ("web", "+1")),
        ("my-worker-2", ("my-worker", "-2")),
        ("web=1:standard-2x", ("web", "1")),
    ],
)
def test_quantities(text: str, quantity: tuple[str, str]) -> None:
    assert ps._parse_quantity(text) == quantity


def test_scale_of_an_unknown_type(shop: Cli) -> None:
    shop.api.set_formation("shop", web=1)
    ended = shop("ps:scale", "nobody=1")
    assert ended.code == 1
    assert "Process types of this app: web." in ended.err


@pytest.mark.parametrize(
    ("args", "request_"),
    [
        (["restart"], "DELETE /apps/shop/dynos"),
        (["ps:restart", "web.1"], "DELETE /apps/shop/dynos/web.1"),
        (["ps:restart", "worker"], "DELETE /apps/shop/formations/worker"),
        (["ps:stop", "run.7"], "POST /apps/shop/dynos/run.7/actions/stop"),
        (["ps:stop", "web"], "POST /apps/shop/formations/web/actions/stop"),
    ],
)
def test_restart_and_stop_follow_the_change(shop: Cli, args: list[str], request_: str) -> None:
    shop.api.changes = [DONE]
    assert shop(*args).code == 0
    assert shop.api.paths() == [request_, "GET /-/changes/c1"]
    shop.api.changes = [FAILED]
    ended = shop(*args)
    assert ended.code == 1
    assert "did not come up" in ended.err
    assert shop(*args, "--no-wait").code == 0


def test_wait_until_all_are_up_with_the_newest_release(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ps, "_POLL_SECONDS", 0)
    shop.api.set_formation("shop", web=2, worker=0)
    shop.api.add_release("shop", "Deploy")
    shop.api.add_release("shop", "Bad deploy", status="failed")
    shop.api.add_dyno("shop", "web.1", version=2)
    shop.api.add_dyno("shop", "web.2", version=1)
    shop.api.add_dyno("shop", "run.7", state="starting")
    looks = 0

    def before(asked: Asked) -> Answer | None:
        nonlocal looks
        looks += asked.path.endswith("/dynos")
        if looks == 3:
            shop.api.dynos["shop"][1]["release"]["version"] = 2
        return None

    shop.api.before = before
    assert shop("ps:wait").err == "Waiting for dynos of shop... done, all up\n"
    assert looks == 3


def test_wait_gives_up_when_told(shop: Cli) -> None:
    shop.api.set_formation("shop", web=1)
    ended = shop("ps:wait", "--timeout", "0")
    assert ended.code == 1
    assert "web (0 of 1)" in ended.err
    assert shop("ps:wait", "--type", "worker").code == 0


def test_run_detached(shop: Cli) -> None:
    ended = shop("run:detached", "-e", "A=1", "-e", "B=x=y", "--", "flask", "db", "upgrade", "-a", "x")

    assert ended.code == 0
    assert shop.api.last("POST").body == {
        "command": "flask db upgrade -a x", "attach": False, "env": {"A": "1", "B": "x=y"},
    }  # fmt: skip
    assert "pushd logs --app shop --dyno run.7" in ended.out
    assert json.loads(shop.ok("run:detached", "--json", "ls"))["name"] == "run.7"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["ls -la | wc"], "ls -la | wc"),
        (["ls", "-la"], "ls -la"),
        (["sh", "-c", "echo $HOME; ls"], 'sh -c "echo $HOME; ls"'),
        (["echo", 'say "hi"'], 'echo "say \\"hi\\""'),
    ],
)
def test_the_line_for_the_dynos_shell(words: list[str], line: str) -> None:
    assert shell_line(words) == line
