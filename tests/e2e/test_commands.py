"""The commands that no other e2e test calls, and that all of them together call every one."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from pushd import __version__
from pushd.cli import commands
from tests.e2e.harness import BIN, PATIENCE_SECONDS, Project, Server, run

ELSEWHERE = {
    "install-service": "tests/service runs it, with systemd played and with a real one",
    "uninstall-service": "tests/service runs it under a real systemd",
    "heroku-env": "all of tests/heroku runs with what it prints",
    "demo": "`make demo ONCE=1` of .ci/run is its test, and tests/test_wheel.py runs it far from the checkout",
}


def test_every_command_is_called_by_a_test_with_the_real_daemon() -> None:
    called = {name for file in Path(__file__).parent.glob("*.py") for name in commands_called_in(file)}

    assert set(commands.COMMANDS) - {commands.ALIASES.get(name, name) for name in called} == set(ELSEWHERE)


def commands_called_in(file: Path) -> set[str]:
    """First words of `x.ok("apps", ...)` and `x.pushd("apps", ...)`, second ones of `[".../pushd", "serve", ...]`."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("ok", "pushd"):
            found += node.args[:1]
        elif isinstance(node, ast.List) and node.elts and "'pushd'" in ast.unparse(node.elts[0]):
            found += node.elts[1:2]
    return {str(word.value) for word in found if isinstance(word, ast.Constant)}


def test_open_prints_the_address_that_visitors_use(project: Project) -> None:
    port = urlsplit(project.server.endpoints["router"]).port
    home = f"http://{project.app}.localhost:{port}/"

    assert project.ok("open") == f"{home}\n"
    assert project.ok("apps:open", "about") == f"{home}about\n"


def test_open_on_a_terminal_starts_the_browser(project: Project, tmp_path: Path) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(0o755)
    ours, terminal = pty.openpty()
    try:
        environ = project.server.client_environ(BROWSER=str(browser))
        opening = [str(BIN / "pushd"), "open", "/about"]
        subprocess.run(opening, cwd=project.folder, env=environ, stdout=terminal, check=True, timeout=PATIENCE_SECONDS)
        printed = os.read(ours, 1000).decode().strip()
    finally:
        os.close(ours)
        os.close(terminal)

    assert seen.read_text() == printed == project.ok("open", "/about").strip()


def test_rename_by_its_long_name(project: Project) -> None:
    project.ok("apps:rename", f"{project.app}-renamed")

    assert project.git("remote", "get-url", "pushd").stdout.strip().endswith(f"/{project.app}-renamed.git")
    project.ok("apps:rename", project.app)


def test_shell_init_makes_the_word_ours_and_leaves_the_shell_its_own(project: Project, tmp_path: Path) -> None:
    script = 'eval "$(git pushd shell-init bash)" && pushd info --json && pushd / > /dev/null && pwd && popd'

    shell = run(["bash", "-c", script], cwd=project.folder, env=project.server.client_environ())

    assert f'"name": "{project.app}"' in shell.output
    assert shell.stdout.splitlines()[-2:] == ["/", str(project.folder)]
    assert project.ok("shell-init", "fish")


def test_git_gets_the_token_of_our_server_alone(server: Server) -> None:
    def asked(host: str) -> str:
        return server.ok("git:credentials", "get", stdin=f"protocol=http\nhost={host}\n\n")

    assert f"password={server.token}\n" in asked(urlsplit(server.api).netloc)
    assert asked("example.com") == ""


def test_check_as_json(server: Server, tmp_path: Path) -> None:
    found = json.loads(server.ok("serve", "--check", "--json", "--data-dir", str(tmp_path / "data")))

    assert found["settings"]["data_dir"] == {"value": str(tmp_path / "data"), "origin": "flag"}
    assert {"name", "on", "why"} == set(found["protections"][0])
    assert found["git"].endswith("/git")
    assert not (tmp_path / "data").exists()


def test_version_and_help_need_no_server(server: Server) -> None:
    nowhere = {"PUSHD_HOST": "", "PUSHD_API_KEY": ""}

    assert server.ok("version", **nowhere) == server.ok("--version", **nowhere) == f"pushd {__version__}\n"
    assert "Example" in server.ok("help", "config:set", **nowhere)
    assert set(commands.COMMANDS) <= set(server.ok("help", **nowhere).split())


def test_a_clone_is_marked_and_can_push(deployed: Project, tmp_path: Path) -> None:
    deployed.ok("git:clone", "--app", deployed.app, "--remote", "myserver", str(tmp_path / "there"))

    environ = deployed.server.client_environ()
    for words in (["config", "remote.myserver.pushd"], ["push", "-q", "-o", "no-deploy", "myserver", "HEAD:refs/heads/side"]):
        assert run(["git", *words], cwd=tmp_path / "there", env=environ).exit_code == 0
    assert deployed.server.pushd("info", cwd=tmp_path / "there").exit_code == 0


def test_dyno_sizes_and_single_limits(deployed: Project) -> None:
    """WEB_CONCURRENCY follows the memory; the old dyno goes when the new one answers."""
    before = deployed.get().body
    assert ["web", "Standard-2X", "1"] in [line.split() for line in deployed.ok("ps:type", "web=standard-2x").splitlines()]
    assert deployed.get().body != before
    assert json.loads(deployed.ok("ps", "--json"))[0]["size"] == "Standard-2X"

    deployed.ok("resources:set", "run", "open-files=512")
    deployed.ok("resources:set", "web", "memory=300M", "open-files=600")
    (web, *_) = json.loads(deployed.ok("resources", "--json"))
    assert (web["type"], web["memory_mb"], web["open_files"], web["set"]) == ("web", 300, 600, ["memory", "open-files"])
    assert deployed.ok("run:inside", "web.1", "ulimit -n; echo $WEB_CONCURRENCY").split() == ["512", "1"]
    deployed.ok("resources:unset", "web", "memory")
    assert deployed.ok("run", "--size", "standard-2x", "echo $WEB_CONCURRENCY").split()[-1] > "2"

    refused = deployed.pushd("ps:type", "web=huge")
    assert refused.exit_code == 1
    assert "standard-1x, standard-2x" in refused.output
    refused = deployed.pushd("resources:set", "web", "time=15m")
    assert refused.exit_code == 1
    assert "Limits: memory, cpu, processes, open-files." in refused.output
