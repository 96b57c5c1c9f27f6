"""What a folder's git config says of our servers, read and written with the git program."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pushd.client.server import app_url, maybe_app_of, maybe_server
from pushd.errors import PushdError

HELPER = "!git pushd git:credentials"
GIT_SECONDS = 30


class GitTrouble(PushdError):
    """The git program is missing, or refused; the text is its own."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A git remote; `server` and `app` are known when it points at a pushd server."""

    name: str
    url: str
    server: str | None
    app: str | None


class Git:
    """The git repository that a folder belongs to, if it does."""

    def __init__(self, folder: Path | str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = dict(environ)

    def in_repository(self) -> bool:
        return self._maybe("rev-parse", "--git-dir") is not None

    def maybe_branch(self) -> str | None:
        """The branch that is checked out, also one without a commit yet; None without one."""
        return (self._maybe("symbolic-ref", "--short", "--quiet", "HEAD") or "").strip() or None

    def remotes(self, known_servers: Sequence[str] = ()) -> list[Remote]:
        """All remotes, in the config's order; without a repository or without git none.

        One is ours if the config says so (`remote.<name>.pushd`), or if its URL lies on one of `known_servers`.
        """
        urls: dict[str, str] = {}
        servers: dict[str, str | None] = {}
        for key, value in self._config(r"^remote\..*\.(url|pushd)$"):
            name, field = key.removeprefix("remote.").rsplit(".", 1)
            if field == "pushd":
                servers[name] = maybe_server(value)
            else:
                urls.setdefault(name, value)
        return [_remote(name, url, servers.get(name), known_servers) for name, url in urls.items()]

    def configured_servers(self) -> set[str]:
        """Servers that some remote is marked with."""
        found = {maybe_server(value) for _, value in self._config(r"^remote\..*\.pushd$")}
        return {server for server in found if server}

    def trust(self, server: str, ca_file: str) -> None:
        """Let git, for this user everywhere, trust that authority for this one server. Raises: GitTrouble."""
        place = Path(self._environ.get("GIT_CONFIG_GLOBAL", ""))
        if place.exists() and not place.is_file() and not place.is_dir():
            raise GitTrouble(  # git would put a file in its place, and as root that is the /dev/null of the whole machine
                f"GIT_CONFIG_GLOBAL is {place}, where git can keep nothing", remedy="Unset it, then run `pushd login` again."
            )
        self._run("config", "--global", f"http.{server}/.sslCAInfo", ca_file)

    def point_remote(self, name: str, server: str, app: str, ca_file: str | None = None) -> None:
        """Make the remote `name` lead to the app, new or not, marked as ours, with our credential helper for its server.

        `ca_file` is trusted for that server, in this repository.
        An empty helper in front resets those of the user's global config: a store that keeps tokens never sees ours.
        """
        url = app_url(server, app)
        if self._maybe("config", "--get", f"remote.{name}.url") is None:
            self._run("remote", "add", "--", name, url)
        else:
            self._run("remote", "set-url", "--", name, url)
        self._run("config", f"remote.{name}.pushd", server)
        self._run("config", "--replace-all", f"credential.{server}.helper", "")
        self._run("config", "--add", f"credential.{server}.helper", HELPER)
        if ca_file is not None and server.startswith("https:"):
            self._run("config", f"http.{server}/.sslCAInfo", ca_file)

    def clone(self, name: str, server: str, app: str, folder: str, ca_file: str | None = None) -> int:
        """Clone the app's repository, on the terminal of whoever runs this; git's exit code.

        The settings are those of `point_remote`; git has them before it asks for a token.
        """
        helper = f"credential.{server}.helper"
        settings = [f"remote.{name}.pushd={server}", f"{helper}=", f"{helper}={HELPER}"]
        settings += [f"http.{server}/.sslCAInfo={ca_file}"] if ca_file and server.startswith("https:") else []
        words = [word for setting in settings for word in ("--config", setting)]
        argv = ["git", "clone", "--origin", name, *words, "--", app_url(server, app), folder]
        try:
            return subprocess.run(argv, cwd=self.folder, env=self._environ, check=False).returncode
        except FileNotFoundError:
            raise _no_git() from None

    def rename_in_remote(self, remote: Remote, app: str) -> None:
        """Let a remote that leads to an app follow its new name: the same server, by the same address."""
        old = remote.url.rstrip("/").removesuffix(".git")
        self._run("remote", "set-url", "--", remote.name, f"{old.removesuffix(remote.app or '')}{app}.git")

    def remove_remote(self, name: str) -> None:
        self._run("remote", "remove", name)

    def _config(self, pattern: str) -> Iterator[tuple[str, str]]:
        for item in (self._maybe("config", "-z", "--get-regexp", pattern) or "").split("\0"):
            if item:
                key, _, value = item.partition("\n")
                yield key, value

    def _maybe(self, *words: str) -> str | None:
        try:
            ended = self._call(words)
        except FileNotFoundError:
            return None
        return ended.stdout if ended.returncode == 0 else None

    def _run(self, *words: str) -> str:
        try:
            ended = self._call(words)
        except FileNotFoundError:
            raise _no_git() from None
        if ended.returncode != 0:
            said = (ended.stderr.strip() or f"it ended with {ended.returncode}").splitlines()[0]
            raise GitTrouble(f"git {words[0]} failed: {said}", remedy="Mend that, then run `pushd git:remote -a APP`.")
        return ended.stdout

    def _call(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words], cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            encoding="utf-8", errors="surrogateescape", timeout=GIT_SECONDS, check=False,
        )  # fmt: skip


def _no_git() -> GitTrouble:
    return GitTrouble("The git program is not installed.", remedy="Install git, then try again.")


def _remote(name: str, url: str, marked: str | None, known_servers: Sequence[str]) -> Remote:
    for server in [marked] if marked else known_servers:
        if app := maybe_app_of(url, server):
            return Remote(name, url, server, app)
    if marked:  # by SSH or another name of the same server: the mark says which, the last part of the path says what
        app = url.rstrip("/").removesuffix(".git").rpartition("/")[2].rpartition(":")[2]
        return Remote(name, url, marked, app or None)
    return Remote(name, url, None, None)
