"""Which app, which server and which token a person means, from options, environment, git and this machine.

App:     --app, --remote, PUSHD_APP, the one git remote of this folder that points at a pushd server.
Server:  --host, PUSHD_HOST, that same remote, the daemon of the data folder if this user may read it.
Token:   see `tokens.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pushd.client.client import Client
from pushd.client.gitconfig import Git, Remote
from pushd.client.netrc import Netrc
from pushd.client.server import parse_server
from pushd.client.tokens import LocalDaemon, local_daemons, maybe_local, maybe_token, netrc_path
from pushd.client.transport import Transport
from pushd.client.trust import maybe_trusted
from pushd.errors import NotFound, PushdError


class NotNamed(PushdError):
    """It is not clear which app or server is meant."""


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What options said, and where to look for the rest. Each question is answered once."""

    environ: Mapping[str, str]
    folder: Path
    app_option: str | None = None
    remote_option: str | None = None
    host_option: str | None = None
    _clients: list[Client] = field(default_factory=list, init=False)

    @cached_property
    def git(self) -> Git:
        return Git(self.folder, self.environ)

    @cached_property
    def app(self) -> str:
        """The app's name or id. Raises: NotNamed, NotFound (no such remote)."""
        if self.app_option:
            return self.app_option
        if self.remote_option:
            return self._remote_asked_for.app or ""
        if named := self.environ.get("PUSHD_APP"):
            return named
        apps = sorted({remote.app for remote in self.remotes if remote.app})
        if len(apps) == 1:
            return apps[0]
        if not apps:
            raise NotNamed(
                "No app: none is named, and this folder has no git remote that points at a pushd server.",
                remedy="Name one with --app, or run `pushd create`, or `pushd git:remote -a APP`.",
            )
        raise NotNamed(
            f"Which app? The git remotes of this folder point at several: {', '.join(apps)}.",
            remedy="Name one with --app, or its remote with --remote.",
        )

    @cached_property
    def server(self) -> str:
        """The API's URL. Raises: NotNamed, BadServer, NotFound (no such remote)."""
        if self._explicit_server:
            return self._explicit_server
        if self.remote_option:
            return self._remote_asked_for.server or ""
        app = self.app_option or self.environ.get("PUSHD_APP")
        servers = sorted({each.server for each in self.remotes if each.server and each.app == app})
        servers = servers or sorted({each.server for each in self.remotes if each.server})
        if len(servers) > 1:
            raise NotNamed(
                f"Which server? The git remotes of this folder point at several: {', '.join(servers)}.",
                remedy="Name one with --host, or a remote with --remote.",
            )
        if servers:
            return servers[0]
        if self.local_daemons:
            return self.local_daemons[0].api
        raise NotNamed(
            "No pushd server: none is named, and none runs from this user's data folder.",
            remedy="Start one with `git pushd serve`, or name one with --host URL or PUSHD_HOST=URL, or one of this machine by "
            "its data folder with PUSHD_DATA_DIR=FOLDER.",
        )

    @cached_property
    def remotes(self) -> list[Remote]:
        """Git remotes of this folder that point at a pushd server; only at the one asked for, if one is."""
        known = [self._explicit_server] if self._explicit_server else [local.api for local in self.local_daemons]
        ours = (remote for remote in self.git.remotes([server for server in known if server]) if remote.server)
        return [remote for remote in ours if self._explicit_server in (None, remote.server)]

    @cached_property
    def local_daemons(self) -> list[LocalDaemon]:
        """Daemons whose endpoints.json this user may read, the likeliest first."""
        return local_daemons(self.environ)

    def find_token(self, server: str) -> str:
        """The token for one server. Raises: NotNamed with what to do, PushdError for one that cannot be a token.

        Raises: Unreachable when there is none and the server cannot be reached either: a token would not help.
        """
        if token := maybe_token(server, self.environ):
            return token
        self.client_with(None).check_reachable()
        raise NotNamed(
            f"Not logged in to {server}.", remedy=f"Run `pushd login --host {server}`, or set PUSHD_API_KEY to a token."
        )

    @cached_property
    def netrc(self) -> Netrc:
        return Netrc(netrc_path(self.environ))

    @cached_property
    def client(self) -> Client:
        """A client of that server, logged in."""
        return self.client_with(self.find_token(self.server))

    def client_with(self, token: str | None) -> Client:
        return self._keep(Client(Transport(self.server, token=token, ca_file=self.maybe_ca())))

    def stranger(self) -> Client:
        """A client that asks whoever answers there; it has no token to give away."""
        return self._keep(Client(Transport(self.server, token=None, trusts_anyone=True)))

    def maybe_ca(self) -> str | None:
        """The file with the server's own CA: that of a daemon of this machine, or one that `login` was told to trust."""
        local = maybe_local(self.server, self.environ)
        return (local.maybe_ca() if local else None) or maybe_trusted(self.server, self.environ)

    def _keep(self, client: Client) -> Client:
        self._clients.append(client)
        return client

    @property
    def warnings(self) -> list[str]:
        """What the servers that were asked warned of."""
        return [text for client in self._clients for text in client.warnings]

    def close(self) -> None:
        """End the connections of all clients that were asked for."""
        for client in self._clients:
            client.close()

    @cached_property
    def _explicit_server(self) -> str | None:
        text = self.host_option or self.environ.get("PUSHD_HOST")
        return parse_server(text) if text else None

    @cached_property
    def _remote_asked_for(self) -> Remote:
        for remote in self.remotes:
            if remote.name == self.remote_option:
                return remote
        where = f" on {self._explicit_server}" if self._explicit_server else ""
        raise NotFound(
            f"This folder has no git remote called {self.remote_option} that points at a pushd server{where}.",
            resource="remote",
            remedy="`git remote -v` lists the remotes; `pushd git:remote -a APP` makes one.",
        )
