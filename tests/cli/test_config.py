"""Config vars: shown, set, unset, edited."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

PENDING = {"id": "c1", "state": "pending", "release": 7, "reason": ""}
ODD = "\x1b[31m a 'b' \"c\" $HOME `d` \\ \n second = line \t é漢 "


def test_show(shop: Cli) -> None:
    assert "no config vars" in shop("config").err
    shop.api.config["shop"] = {"LONG_NAME": "2", "A": "1"}

    assert shop.ok("config") == "=== shop Config Vars\n\nA:         1\nLONG_NAME: 2\n"
    assert json.loads(shop.ok("config", "--json")) == {"A": "1", "LONG_NAME": "2"}


def test_show_for_a_shell_can_be_read_by_one(shop: Cli) -> None:
    shop.api.config["shop"] = {"ODD": ODD}
    assert shlex.split(shop.ok("config", "-s")) == [f"ODD={ODD}"]


def test_get(shop: Cli) -> None:
    shop.api.config["shop"] = {"A": "1", "ODD": ODD}

    assert shop.ok("config:get", "A") == "1\n"
    assert shop.ok("config:get", "NONE") == "\n"
    assert shop.ok("config:get", "ODD") == ODD + "\n"
    assert shop.ok("config:get", "A", "-s") == "A=1\n"
    assert json.loads(shop.ok("config:get", "A", "NONE", "--json")) == {"A": "1", "NONE": None}


@pytest.mark.parametrize("value", ["", "=", "a=b", ODD, "-dash", "x" * 10_000])
def test_values_are_never_mangled(shop: Cli, value: str) -> None:
    shop.ok("config:set", f"ODD={value}")
    assert shop.api.last("PATCH").body == {"ODD": value}


def test_set_says_what_was_set_and_the_release(shop: Cli) -> None:
    ended = shop("config:set", "A=1", "B=two words", "--app", "shop")

    assert ended.err == "Setting A, B and restarting shop... done, v2\n"
    assert ended.out == "A: 1\nB: two words\n"
    assert json.loads(shop.ok("config:set", "A=2", "--json")) == {"A": "2"}


def test_a_value_that_is_no_text_is_refused_before_anything_is_sent(shop: Cli) -> None:
    ended = shop("config:set", "A=\udcff")
    assert ended.code == 1
    assert "not UTF-8" in ended.err
    assert shop.api.asked == []


def test_set_waits_until_the_dynos_have_followed(shop: Cli) -> None:
    shop.api.changes = [PENDING, PENDING, PENDING | {"state": "succeeded"}]
    ended = shop("config:set", "A=1")

    assert ended.code == 0
    assert ended.err == "Setting A and restarting shop... done, v7\n"
    assert [asked.query for asked in shop.api.asked if asked.path == "/-/changes/c1"] == [{"wait": ["50"]}] * 3
    assert shop.api.paths()[0] == "PATCH /apps/shop/config-vars"
    assert len(shop.api.asked) == 4  # nothing else is asked for: each question is a part of what one waits


def test_set_that_does_not_come_up_ends_with_1_and_the_reason(shop: Cli) -> None:
    reason = "web.1 exited with status 1: KeyError: 'B'\nSet what it misses: pushd config:set ..."
    shop.api.changes = [PENDING | {"state": "failed", "reason": reason}]
    ended = shop("config:set", "A=1")

    assert ended.code == 1
    assert "Setting A and restarting shop... failed, v7\n" in ended.err
    assert " !    web.1 exited with status 1: KeyError: 'B'\n !    Set what it misses" in ended.err


def test_no_wait_does_not_ask(shop: Cli) -> None:
    shop.api.changes = [PENDING]
    assert "done, v7" in shop("config:set", "A=1", "--no-wait").err
    assert shop.api.paths() == ["PATCH /apps/shop/config-vars", "GET /-/changes/c1"]
    assert not any("wait" in asked.query for asked in shop.api.asked)


def test_unset(shop: Cli) -> None:
    shop.api.config["shop"] = {"A": "1", "B": "2"}
    assert "Unsetting A, GONE and restarting shop... done, v2" in shop("config:unset", "A", "GONE").err
    assert json.loads(shop.ok("config:unset", "A", "--json")) == {"A": None}
    assert shop.api.config["shop"] == {"B": "2"}


def editor(shop: Cli, script: str) -> dict[str, str]:
    """An EDITOR that runs a line of Python on the file: `text` in, `text` out."""
    program = shop.home / "editor"
    program.write_text(f"#!/usr/bin/env python3\nimport sys\npath = sys.argv[1]\ntext = open(path).read()\n{script}\n"
                       "open(path, 'w').write(text)\n")  # fmt: skip
    program.chmod(0o755)
    return {"EDITOR": str(program)}


def test_edit_sends_only_what_changed(shop: Cli) -> None:
    shop.api.config["shop"] = {"A": "1", "B": "2", "ODD": ODD}
    ended = shop("config:edit", **editor(shop, r"text = text.replace('A=1\n', 'C=new # no comment\n').replace('B=2', 'B=3')"))

    assert ended.code == 0
    assert shop.api.last("PATCH").body == {"A": None, "B": "3", "C": "new # no comment"}
    assert shop.api.config["shop"]["ODD"] == ODD
    assert "Changing A, B, C and restarting shop... done" in ended.err
    assert "2" not in ended.err.replace("v2", "")


@pytest.mark.parametrize("script", ["pass", "text += '\\n# only a comment\\n'"])
def test_edit_without_changes(shop: Cli, script: str) -> None:
    shop.api.config["shop"] = {"A": "1", "ODD": ODD}
    assert "No changes" in shop("config:edit", **editor(shop, script)).err
    assert shop.api.paths(method="PATCH") == []


def test_edit_refuses_if_somebody_else_changed_something(shop: Cli) -> None:
    shop.api.config["shop"] = {"A": "1"}
    gate = shop.home / "gate"

    def before(asked: object) -> None:
        if gate.exists():
            shop.api.config["shop"]["A"] = "theirs"

    shop.api.before = before
    ended = shop("config:edit", **editor(shop, f"text = 'A=mine'; open({str(gate)!r}, 'w')"))

    assert ended.code == 1
    assert "changed by somebody else" in ended.err
    assert shop.api.config["shop"] == {"A": "theirs"}


def test_edit_with_a_mistake_names_the_line(shop: Cli) -> None:
    shop.api.config["shop"] = {"A": "s3cret"}
    ended = shop("config:edit", **editor(shop, "text = 'A=s3cret\\nno equals sign s3cret\\n'"))

    assert ended.code == 1
    assert "Line 2" in ended.err
    assert "s3cret" not in ended.err
    assert shop.api.paths(method="PATCH") == []


def test_an_editor_that_is_not_there(shop: Cli) -> None:
    ended = shop("config:edit", EDITOR="/no/such/editor")
    assert ended.code == 1
    assert "Traceback" not in ended.err


def test_the_edited_file_does_not_stay(shop: Cli, tmp_path: Path) -> None:
    shop.api.config["shop"] = {"A": "1"}
    note = shop.home / "where"
    shop("config:edit", **editor(shop, f"open({str(note)!r}, 'w').write(path)"))
    assert not Path(note.read_text()).exists()
