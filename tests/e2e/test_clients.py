"""The recipes of docs/clients.md, run as they stand there: curl, and heroku3."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.e2e.harness import ROOT, Server, eventually, run

RECIPES = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "http://localhost:5000"


def blocks(language: str, server: Server) -> list[str]:
    """The fenced blocks of a language, with this server's address in them."""
    found = re.findall(rf"^```{language}\n(.*?)^```", RECIPES, flags=re.MULTILINE | re.DOTALL)
    assert found
    return [each.replace(ADDRESS, server.api.replace("127.0.0.1", "localhost")) for each in found]


def test_curl(server: Server, tmp_path: Path) -> None:
    script = "\n".join(blocks("sh", server))
    assert "~/.local/share/pushd/admin.token" in script
    script = script.replace("~/.local/share/pushd", str(server.data))
    try:
        ended = run(["sh", "-euc", script], cwd=tmp_path, env=server.client_environ())

        assert ended.exit_code == 0, ended.output
        assert "-----> " in ended.stdout  # what the build printed
        assert "succeeded" in ended.stdout.splitlines()
        assert "Rollback to v3" in ended.stdout.splitlines()
        assert "ok" in ended.stdout.splitlines()
        assert server.call("GET", "/apps/recipe/config-vars")[1] == {"GREETING": "Hello"}
        assert eventually(lambda: "Procfile" in server.get("recipe", "/").body, what="the page of the archive")
        assert eventually(lambda: "greetings: Hello" in server.ok("logs", "--app", "recipe"), what="the one-off's output")
    finally:
        server.call("DELETE", "/apps/recipe")


def test_heroku3(server: Server, tmp_path: Path) -> None:
    (block,) = blocks("python", server)
    (tmp_path / "token").write_text(server.token + "\n")

    ended = run([sys.executable, "-c", block], cwd=tmp_path, env=server.client_environ())

    assert ended.exit_code == 0, ended.output
    apps, releases, owner = ended.stdout.splitlines()
    assert "'from-python'" in apps
    assert releases == "['v1 Initial release', 'v2 Set GREETING config vars']"
    assert owner == "admin@localhost"
    assert server.call("GET", "/apps/from-python")[0] == 404
