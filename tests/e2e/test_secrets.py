"""Secrets from the user to the program, byte by byte, and nowhere else; and the key that closes them on the disk."""

from __future__ import annotations

import base64
import json
import random
import signal
from pathlib import Path
from urllib.parse import quote

from tests.e2e.harness import Server, eventually

CANARY = "kanari/+&=?§-hunter2-and-more"
FORMS = (
    CANARY.encode(),
    base64.b64encode(CANARY.encode()),
    quote(CANARY).encode(),
    quote(CANARY, safe="").encode(),
    quote(CANARY, safe="").lower().encode(),
    json.dumps(CANARY).replace("/", "\\/").encode(),
    b"hunter2-and-more",
)
# Reads a variable the way a program does, and gives its bytes in hexadecimal digits, one variable per line.
SHOW = "python -c \"import os; [print(k.decode(), v.hex()) for k, v in os.environb.items() if k.startswith(b'ODD_')]\""
ALPHABET = "abc \n\r\t\"'`$=\\#%{}()<>|&;*?~!-äß€𝄞\u2028\x01\x1b\x7f"
PRINTER = """#!/usr/bin/env bash
echo "plain $PASSWORD"
printf %s "user:$PASSWORD" | base64 -w0; echo
python -c 'import os, urllib.parse; print(urllib.parse.quote(os.environ["PASSWORD"]))'
python -c 'import os, urllib.parse; print(urllib.parse.quote(os.environ["PASSWORD"], safe="").lower())'
python -c 'import os, json; print(json.dumps(os.environ["PASSWORD"]).replace("/", chr(92) + "/"))'
export -p
echo "$LONG" | base64
"""


def odd_values(count: int) -> dict[str, str]:
    """Values of all lengths up to 2,000 characters, and those that tools like to spoil."""
    chance = random.Random(20001)
    made = {f"ODD_{n}": "".join(chance.choices(ALPHABET, k=chance.randrange(2 ** (n % 12)))) for n in range(count)}
    spoiled = [
        "",
        " ",
        "\n",
        "a\n",
        "\na",
        "'",
        '"',
        "$HOME",
        "$(id)",
        "`id`",
        "a=b=c",
        "-n",
        "--",
        "\\n",
        "\\",
        "%s",
        "%(x)s",
        "null",
    ]
    return made | {f"ODD_S{n}": value for n, value in enumerate(spoiled)}


def test_values_reach_the_program_byte_by_byte(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "bytes")
    project.deploy()
    values = odd_values(60)
    by_api = dict(list(values.items())[::2])
    by_command = {name: value for name, value in values.items() if name not in by_api}

    assert own_server.call("PATCH", "/apps/bytes/config-vars", by_api)[0] == 200
    project.ok("config:set", *(f"{name}={value}" for name, value in by_command.items()))

    seen = dict(line.partition(" ")[::2] for line in project.ok("run", SHOW).splitlines())
    assert {name: bytes.fromhex(text).decode() for name, text in seen.items()} == values
    assert own_server.call("GET", "/apps/bytes/config-vars")[1] == values
    too_much = project.pushd("config:set", f"MORE={'x' * 65_500}")
    assert too_much.exit_code == 1
    assert "more than the 65536 allowed" in too_much.stderr
    assert own_server.call("GET", "/apps/bytes/config-vars")[1] == values


def test_a_secret_stands_in_no_file_no_command_line_and_no_output(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "canary")
    project.write("bin/post_compile", PRINTER)
    (project.folder / "bin" / "post_compile").chmod(0o755)
    project.commit("Print it")
    long = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300))
    project.ok("config:set", f"PASSWORD={CANARY}", f"LONG={long}")

    pushed = project.deploy()

    assert own_server.call("GET", "/apps/canary/config-vars")[1]["PASSWORD"] == CANARY
    assert "plain [PASSWORD]" in pushed
    printed = [pushed, project.ok("builds:output"), project.ok("logs"), own_server.daemon_log()]
    held = {str(path): path.read_bytes() for path in own_server.data.rglob("*") if path.is_file() and not path.is_symlink()}
    for pid in own_server.processes():
        held[f"command line of {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes()
    wrapped = base64.encodebytes(f"{long}\n".encode()).splitlines()
    for where, content in [*held.items(), *((text[:60], text.encode()) for text in printed)]:
        assert not [form for form in (*FORMS, *wrapped[:-1]) if form in content], where


def test_a_new_key_is_gone_over_to_while_the_app_serves(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "rotated")
    project.ok("config:set", "SECRET=kept")
    project.deploy()
    page, old = project.get().body, (own_server.data / "secret.key").read_text()

    told = own_server.ok("secret-key:rotate", "--data-dir", str(own_server.data))
    again = own_server.pushd("secret-key:rotate", "--data-dir", str(own_server.data))
    own_server.stop(signal.SIGTERM)
    own_server.start()

    assert "A new key waits" in told
    assert again.exit_code == 1
    assert project.get().body == page
    assert project.ok("config:get", "SECRET") == "kept\n"
    assert (own_server.data / "secret.key").read_text() != old
    assert not (own_server.data / "secret.key.new").exists()
    eventually(lambda: "sealed with another key" in own_server.daemon_log(), what="the daemon says so")


def test_a_key_that_is_not_beside_the_store(tmp_path: Path) -> None:
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    server = Server(
        tmp_path / "data", tmp_path / "home", flags=("--secret-key-from", "env:STORE_KEY"), environ={"STORE_KEY": key}
    )
    server.start()
    try:
        project = server.project(tmp_path / "app", "apart")
        project.ok("config:set", "SECRET=kept")
        project.deploy()

        assert not (server.data / "secret.key").exists()
        assert project.get("/env/SECRET").body == "kept"
        assert project.get("/env/STORE_KEY").body == "(not set)"
        daemon = server.process.pid if server.process else 0
        environs = [Path(f"/proc/{pid}/environ").read_bytes() for pid in server.processes() if pid != daemon]
        assert environs
        assert not [each for each in environs if key.encode() in each]
    finally:
        server.stop()
