"""Dynos: shown, scaled, restarted, stopped, waited for; one-off dynos."""

from __future__ import annotations

import json

import pytest

from pushd.cli.formation import parse_quantity
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
    assert order == ["run.7 (standard-1x)", "web.1", "web.2", "web.10", "worker.1"]
    assert "=== web (standard-1x): run web.1 (3)\n" in printed
    assert "=== run: one-off processes (1)\n" in printed
    assert "web.2: crashed 2026/01/02 03:04:05 +0000 (~ " in printed
    assert "ago): run run.7\n" in printed
    assert [dyno["name"] for dyno in json.loads(shop.ok("ps", "worker", "--json"))] == ["worker.1"]
    assert "No clock dynos on shop." in shop("ps", "web", "clock").err


def test_show_as_a_table(shop: Cli) -> None:
    shop.api.add_dyno("shop", "web.1", command="gunicorn " + "x" * 40)
    head, row = shop.ok("ps", "--extended", "--no-wrap").splitlines()
    assert head.split() == ["ID", "Process", "State", "Release", "Command", "Size"]
    assert f"gunicorn {'x' * 25}…  standard-1x" in row


def test_scale_without_arguments_shows(shop: Cli) -> None:
    assert "Push first" in shop("ps:scale").err
    shop.api.set_formation("shop", worker=0, web=2)
    assert shop.ok("ps:scale") == "web=2:standard-1x worker=0:standard-1x\n"
    assert json.loads(shop.ok("ps:scale", "--json"))[0]["quantity"] == 0


def test_scale(shop: Cli) -> None:
    shop.api.set_formation("shop", web=1, worker=3)
    shop.api.changes = [DONE]
    ended = shop("ps:scale", "web=2:standard-2x", "worker-1")

    assert ended.err == "Scaling dynos... done, now running web at 2:standard-2x, worker at 2:standard-1x\n"
    assert shop.api.last("PATCH").body == {
        "updates": [{"type": "web", "quantity": "2", "size": "standard-2x"}, {"type": "worker", "quantity": "-1"}]
    }  # fmt: skip
    assert shop.api.paths()[-1] == "GET /-/changes/c1"


@pytest.mark.parametrize(
    ("text", "update"),
    [
        ("web=2", {"type": "web", "quantity": "2"}),
        ("web+1", {"type": "web", "quantity": "+1"}),
        ("my-worker-2", {"type": "my-worker", "quantity": "-2"}),
        ("web=1:standard-2x", {"type": "web", "quantity": "1", "size": "standard-2x"}),
    ],
)
def test_quantities(text: str, update: dict[str, str]) -> None:
    assert parse_quantity(text) == update


def test_sizes(shop: Cli) -> None:
    assert "Push first" in shop("ps:type").err
    shop.api.set_formation("shop", worker=1, web=2)
    assert shop.ok("ps:type") == (
        "=== Process Types\n\ntype    size         qty\nweb     standard-1x  2\nworker  standard-1x  1\n\n"
        "=== Dyno Totals\n\ntype         total\nstandard-1x  3\n"
    )
    shop.ok("ps:type", "worker=basic")
    assert shop.api.last("PATCH").body == {"updates": [{"type": "worker", "size": "basic"}]}
    assert json.loads(shop.ok("ps:resize", "big", "--json"))[0]["size"] == "big"
    assert shop.api.last("PATCH").body == {"updates": [{"type": "worker", "size": "big"}, {"type": "web", "size": "big"}]}
    ended = shop("ps:type", "clock=basic")
    assert (ended.code, ended.err) == (
        1, " !    Type clock not found in process formation.\n !    Types: worker, web\n",
    )  # fmt: skip
    assert shop("ps:type", "worker=a b").code == shop("ps:type", "x", "y").code == 2


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
        (["dyno:restart", "-d", "web.1"], "DELETE /apps/shop/dynos/web.1"),
        (["restart", "--process-type", "web"], "DELETE /apps/shop/formations/web"),
        (["ps:kill", "--dyno-name", "run.7"], "POST /apps/shop/dynos/run.7/actions/stop"),
        (["kill", "-p", "web"], "POST /apps/shop/formations/web/actions/stop"),
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


@pytest.mark.parametrize("args", [["ps:stop"], ["restart", "web.1", "-p", "web"], ["ps:stop", "-d", "web.1", "-p", "web"]])
def test_which_is_said_once(shop: Cli, args: list[str]) -> None:
    assert shop(*args).code == 2
    assert shop.api.asked == []


def test_wait_until_all_are_up_with_the_newest_release(shop: Cli) -> None:
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
    assert shop("ps:wait", "-w", "0").err == "Waiting for dynos of shop... done, all up\n"
    assert looks == 3


def test_wait_gives_up_when_told(shop: Cli) -> None:
    shop.api.set_formation("shop", web=1)
    ended = shop("ps:wait", "--timeout", "0")
    assert ended.code == 1
    assert "web (0 of 1)" in ended.err
    assert shop("ps:wait", "--type", "worker").code == 0
    assert shop("ps:wait", "--type", "web", "--with-run").code == 2
    shop.api.set_formation("shop", web=0)
    shop.api.add_dyno("shop", "run.7", state="starting")
    assert shop("ps:wait").code == 0
    assert "Not up yet: run.7." in shop("ps:wait", "-R", "--timeout", "0").err


def test_run_detached(shop: Cli) -> None:
    ended = shop("run:detached", "-e", "A=1", "-e", "B=x=y", "--", "flask", "db", "upgrade", "-a", "x")

    assert ended.code == 0
    assert shop.api.last("POST").body == {
        "command": "flask db upgrade -a x", "attach": False, "env": {"A": "1", "B": "x=y"},
    }  # fmt: skip
    assert "pushd logs --app shop --dyno run.7" in ended.out
    assert json.loads(shop.ok("run:detached", "--json", "ls"))["name"] == "run.7"
    shop.ok("run:detached", "-e", "A=1; B=x;y", "-s", "standard-1x", "--type", "worker", "ls")
    assert shop.api.last("POST").body == {
        "command": "ls", "attach": False, "env": {"A": "1", "B": "x;y"}, "size": "standard-1x", "type": "worker",
    }  # fmt: skip
    assert "A is not KEY=VALUE" in shop("run:detached", "-e", "A", "ls").err
    assert " ⬢ shop... done, run.7" in ended.err


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
