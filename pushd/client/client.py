"""Every call of the API that our commands make, one method each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import quote, urlsplit

from pushd.client.account import AccountCalls
from pushd.client.events import Event, parse_events
from pushd.client.shapes import (
    AppShape,
    BuildShape,
    Changed,
    ChangeShape,
    DynoShape,
    FormationShape,
    ReleaseShape,
    SettingShape,
    Wanted,
)
from pushd.client.transport import Answer, Transport, Unreachable
from pushd.errors import NotFound, Unavailable

AUTHORITY_SECONDS = 30.0
CHANGE_WAIT_SECONDS = 50  # what one `?wait=` asks for at most
PATIENCE_SECONDS = 20.0  # a daemon that restarts while we wait for it is forgiven so long
RECONNECT_SECONDS = 0.3
SILENCE_SECONDS = 120.0  # a log stream has a heartbeat at least every 60 s
OUTPUT_SILENCE_SECONDS = 3600.0  # a build may say nothing until its time limit


class Client(AccountCalls):
    """Calls by name on one server, with one token. Raises what `Transport` raises."""

    def __init__(self, transport: Transport, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._transport = transport
        self._sleep = sleep

    @property
    def server(self) -> str:
        return self._transport.server

    @property
    def ca_file(self) -> str | None:
        """An authority that is trusted for this server beside the system's own."""
        return self._transport.ca_file

    def close(self) -> None:
        self._transport.close()

    def authority(self) -> bytes:
        """The CA behind the server's certificate, as PEM; asked for without our token."""
        return b"".join(self._transport.stream("/-/ca.pem", silence_seconds=AUTHORITY_SECONDS))

    # Apps

    def apps(self) -> list[AppShape]:
        return cast(list[AppShape], self._list("/apps"))

    def app(self, app: str) -> AppShape:
        return cast(AppShape, self._get(_path(app)))

    def create_app(self, name: str | None) -> AppShape:
        return cast(AppShape, self._transport.call("POST", "/apps", body={"name": name} if name else {}).value)

    def rename_app(self, app: str, name: str) -> AppShape:
        return cast(AppShape, self._transport.call("PATCH", _path(app), body={"name": name}).value)

    def set_maintenance(self, app: str, on: bool) -> AppShape:
        """Answered when visitors see it."""
        return cast(AppShape, self._transport.call("PATCH", _path(app), body={"maintenance": on}).value)

    def destroy_app(self, app: str) -> AppShape:
        return cast(AppShape, self._transport.call("DELETE", _path(app)).value)

    # Config vars

    def config_vars(self, app: str) -> dict[str, str]:
        return cast(dict[str, str], self._get(_path(app, "config-vars")))

    def change_config_vars(self, app: str, changes: Mapping[str, str | None]) -> Changed[dict[str, str]]:
        """Set, or unset with None; gives all config vars after it."""
        return _changed(self._transport.call("PATCH", _path(app, "config-vars"), body=dict(changes)))

    # Releases and builds

    def releases(self, app: str, *, limit: int) -> list[ReleaseShape]:
        """The newest `limit` releases, newest first."""
        wanted = {"Range": f"version ..; order=desc,max={limit}"}
        return cast(list[ReleaseShape], self._transport.call("GET", _path(app, "releases"), headers=wanted).value)

    def release(self, app: str, id_or_number: str) -> ReleaseShape:
        return cast(ReleaseShape, self._get(_path(app, "releases", id_or_number)))

    def release_config_vars(self, app: str, number: int) -> dict[str, str]:
        return cast(dict[str, str], self._get(_path(app, "releases", str(number), "config-vars")))

    def rollback(self, app: str, release_id: str) -> Changed[ReleaseShape]:
        return _changed(self._transport.call("POST", _path(app, "releases"), body={"release": release_id}))

    def builds(self, app: str) -> list[BuildShape]:
        """Newest first."""
        return sorted(self._list(_path(app, "builds")), key=lambda build: str(build["created_at"]), reverse=True)

    def build(self, app: str, build_id: str) -> BuildShape:
        return cast(BuildShape, self._get(_path(app, "builds", build_id)))

    def output(self, url: str) -> Iterator[bytes]:
        """The text behind an `output_stream_url`, live until it ends."""
        return self._transport.stream(_request_target(url), silence_seconds=OUTPUT_SILENCE_SECONDS)

    # Dynos

    def formation(self, app: str) -> list[FormationShape]:
        return cast(list[FormationShape], self._list(_path(app, "formation")))

    def scale(self, app: str, quantities: Mapping[str, str]) -> Changed[list[FormationShape]]:
        """`quantities` are texts: "2", "+1" or "-1"; gives the whole formation after it."""
        updates = [{"type": kind, "quantity": quantity} for kind, quantity in quantities.items()]
        return _changed(self._transport.call("PATCH", _path(app, "formation"), body={"updates": updates}))

    def dynos(self, app: str) -> list[DynoShape]:
        return cast(list[DynoShape], self._list(_path(app, "dynos")))

    def restart(self, app: str, which: str | None = None) -> Changed[object]:
        """All dynos, one ("web.1") or those of a type ("web")."""
        tail = ["dynos"] if which is None else ["dynos", which] if _is_dyno(which) else ["formations", which]
        return _changed(self._transport.call("DELETE", _path(app, *tail)))

    def stop(self, app: str, which: str) -> Changed[object]:
        """One dyno ("run.7") or those of a type."""
        kind = "dynos" if _is_dyno(which) else "formations"
        return _changed(self._transport.call("POST", _path(app, kind, which, "actions", "stop")))

    def run_dyno(self, app: str, wanted: Wanted) -> DynoShape:
        """A command in a dyno of its own; detached it runs already, attached it waits at `attach_url`."""
        return cast(DynoShape, self._transport.call("POST", _path(app, "dynos"), body=wanted).value)

    def run_inside(self, app: str, dyno: str, wanted: Wanted) -> DynoShape:
        """A command in a dyno that runs; it waits at `attach_url`."""
        return cast(DynoShape, self._transport.call("POST", _path(app, "dynos", dyno), body=wanted).value)

    # Logs

    def log_lines(
        self, app: str, *, lines: int, tail: bool, source: str | None = None, dyno: str | None = None
    ) -> Iterator[str]:
        """The last `lines` lines, oldest first; with `tail` then every new one, also across a restart of the daemon.

        After a break it goes on behind the last line it gave (`Last-Event-ID`): no line is lost or comes twice.
        """
        last_id = ""
        events = self._log_events(app, lines, tail, source, dyno, last_id)
        while True:
            try:
                for event in events:
                    last_id = event.id or last_id
                    yield from event.data.split("\n")
            except (Unreachable, Unavailable):
                if not tail:
                    raise
            if not tail:
                return
            self._sleep(RECONNECT_SECONDS)
            missed = 0 if last_id else lines
            events = self._patiently(partial(self._log_events, app, missed, tail, source, dyno, last_id))

    def _log_events(
        self, app: str, lines: int, tail: bool, source: str | None, dyno: str | None, last_id: str
    ) -> Iterator[Event]:
        wanted: dict[str, object] = {"lines": lines, "tail": tail, "source": source, "dyno": dyno}
        body = {name: value for name, value in wanted.items() if value is not None}
        session = self._transport.call("POST", _path(app, "log-sessions"), body=body).value
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        target = _request_target(session["logplex_url"])
        return parse_events(self._transport.stream(target, silence_seconds=SILENCE_SECONDS, headers=headers))

    # What Heroku's API lacks, under /-/

    def settings(self, app: str) -> list[SettingShape]:
        return cast(list[SettingShape], self._get(f"/-{_path(app, 'settings')}")["settings"])

    def set_settings(self, app: str, changes: Mapping[str, str | None]) -> list[SettingShape]:
        """Set, or back to the default with None; gives all settings after it."""
        answer = self._transport.call("PATCH", f"/-{_path(app, 'settings')}", body=dict(changes))
        return cast(list[SettingShape], answer.value["settings"])

    def change(self, change_id: str, *, wait: int = 0) -> ChangeShape:
        """How a change stands, when it is settled or after `wait` seconds (at most 50)."""
        path = f"/-/changes/{quote(change_id, safe='')}" + (f"?wait={wait}" if wait else "")
        return cast(ChangeShape, self._get(path))

    def settled(self, change_id: str) -> ChangeShape:
        """How a change ended, however long that takes; a daemon that restarts meanwhile is asked again."""
        while True:
            change: ChangeShape = self._patiently(lambda: self.change(change_id, wait=CHANGE_WAIT_SECONDS))
            if change["state"] != "pending":
                return change

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """`ask()`, again while the server cannot be reached, for a while."""
        pause, waited = 0.2, 0.0
        while True:
            try:
                return ask()
            except (Unreachable, Unavailable):
                if waited >= PATIENCE_SECONDS:
                    raise
            self._sleep(pause)
            waited += pause
            pause = min(pause * 2, 2.0)

    def _get(self, path: str) -> Any:
        return self._transport.call("GET", path).value

    def _list(self, path: str) -> list[Any]:
        """All pages of a list: the server says with 206 and Next-Range that there is more."""
        answer = self._transport.call("GET", path)
        items: list[Any] = list(answer.value)
        while answer.status == 206 and (following := answer.headers.get("next-range")):
            answer = self._transport.call("GET", path, headers={"Range": following})
            items += answer.value
        return items


def find_rollback_target(releases: Sequence[ReleaseShape]) -> ReleaseShape:
    """The newest release before the current one that can be rolled back to, as `rollback` without a number means it.

    Raises: NotFound.
    """
    current = max((each["version"] for each in releases if each["current"]), default=0)
    for release in sorted(releases, key=lambda each: each["version"], reverse=True):
        if release["eligible_for_rollback"] and release["version"] < current:
            return release
    raise NotFound(
        "There is no earlier release to roll back to.", resource="release", remedy="`pushd releases` shows what there is."
    )


def _path(app: str, *parts: str) -> str:
    return "/".join(["/apps", *(quote(part, safe="") for part in (app, *parts))])


def _request_target(url: str) -> str:
    """Path and query of an absolute URL that the server made of our own Host header."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _is_dyno(which: str) -> bool:
    kind, dot, number = which.rpartition(".")
    return bool(kind and dot and number.isdigit())


def _changed(answer: Answer) -> Changed[Any]:
    return Changed(answer.value, answer.headers.get("pushd-change"))
