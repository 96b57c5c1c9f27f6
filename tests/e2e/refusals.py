"""What every refusal is held to: clear words, nothing changed, nothing leaked."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e.harness import ROOT, Project, Server
from tests.receiver.wire import basic

SECRET = "hunter2-of-the-config-vars"
APP = (ROOT / "tests" / "fixtures" / "apps" / "tiny" / "app.py").read_text()
NOT_LIVE = "This push is not live; nothing has changed for visitors."


@dataclass(frozen=True)
class State:
    """What must not change; a boot that fails leaves a failed release, and the slug it would have run."""

    page: str
    refs: bytes
    config: Any
    settings: Any
    apps: list[str]
    succeeded: list[int]
    releases: int
    repository: list[str]
    shelf: list[str]


def state_of(project: Project) -> State:
    server = project.server
    releases = server.call("GET", f"/apps/{project.app}/releases")[1]
    return State(
        page=project.get().body,
        refs=_refs(project),
        config=server.call("GET", f"/apps/{project.app}/config-vars")[1],
        settings=server.call("GET", f"/-/apps/{project.app}/settings")[1],
        apps=sorted(each["name"] for each in server.call("GET", "/apps")[1]),
        succeeded=[each["version"] for each in releases if each["status"] == "succeeded"],
        releases=len(releases),
        repository=_names(server.data / "repos"),
        shelf=sorted(path.name for path in (server.data / "slugs").glob("[!.]*")),
    )


def _refs(project: Project) -> bytes:
    connection = http.client.HTTPConnection(project.server.api.removeprefix("http://"), timeout=60)
    try:
        headers = {"Authorization": basic(project.server.token)}
        connection.request("GET", f"/{project.app}.git/info/refs?service=git-upload-pack", headers=headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@contextlib.contextmanager
def unchanged(project: Project, *, but_a_failed_release: bool = False) -> Iterator[None]:
    """Holds the app, its repository and its page to what they were; the daemon's own log tells of no trouble."""
    before, log = state_of(project), len(project.server.daemon_log())
    yield
    after = state_of(project)
    if but_a_failed_release:
        assert after.releases == before.releases + 1
        after = replace(after, releases=before.releases, shelf=before.shelf)
    assert after == before, f"{before}\nbecame\n{after}"
    assert "level=error" not in project.server.daemon_log()[log:]


def assert_told(text: str, told: tuple[str, ...], server: Server) -> None:
    """Each of these, in this order; no secret and no line of our own code."""
    place = 0
    for words in told:
        assert words in text[place:], f"{words!r} is missing after {text[:place]!r}: {text[place:]!r}"
        place = text.index(words, place) + len(words)
    for secret in (SECRET, server.token, (server.data / "secret.key").read_bytes().hex()):
        assert secret not in text
    assert str(ROOT / "pushd") not in text
    assert "Internal" not in text
