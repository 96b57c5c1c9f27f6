"""Every call of the API that our commands make, one method each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import cast
from urllib.parse import quote

from pushd.client.account import AccountCalls
from pushd.client.belongings import BelongingCalls
from pushd.client.builds import BuildCalls
from pushd.client.calls import app_path, changed, request_target
from pushd.client.dynos import DynoCalls
from pushd.client.events import Event, parse_events
from pushd.client.pipelines import PipelineCalls
from pushd.client.shapes import (
    AppDiskShape,
    AppShape,
    Changed,
    ChangeShape,
    DeedShape,
    DiskShape,
    ProtectionShape,
    ReleaseShape,
    SettingShape,
)
from pushd.client.transport import CONNECT_SECONDS, Unreachable
from pushd.client.users import UserCalls
from pushd.errors import NotFound, PushdError, Unavailable

CHANGE_WAIT_SECONDS = 50  # what one `?wait=` asks for at most
RECONNECT_SECONDS = 0.3
SILENCE_SECONDS = 120.0  # a log stream has a heartbeat at least every 60 s


class Client(AccountCalls, BelongingCalls, BuildCalls, DynoCalls, PipelineCalls, UserCalls):
    """Calls by name on one server, with one token. Raises what `Transport` raises.

    Made of one class for each topic that has a module of its own.
    """

    def check_reachable(self) -> None:
        """Raises: Unreachable. Whatever answers is good enough."""
        try:
            self._transport.call("GET", "/-/health", within=CONNECT_SECONDS)
        except Unreachable:
            raise
        except PushdError:
            pass

    # Apps

    def apps(self) -> list[AppShape]:
        return cast(list[AppShape], self._list("/apps"))

    def own_apps(self) -> list[AppShape]:
        """One's own and those that one collaborates on."""
        return cast(list[AppShape], self._list("/users/~/apps"))

    def app(self, app: str) -> AppShape:
        return cast(AppShape, self._get(app_path(app)))

    def create_app(self, name: str | None, *, region: str | None = None, stack: str | None = None) -> AppShape:
        wanted = {"name": name, "region": region, "stack": stack}
        body = {key: value for key, value in wanted.items() if value is not None}
        return cast(AppShape, self._send("POST", "/apps", body))

    def rename_app(self, app: str, name: str) -> AppShape:
        return cast(AppShape, self._transport.call("PATCH", app_path(app), body={"name": name}).value)

    def set_maintenance(self, app: str, on: bool) -> AppShape:
        """Answered when visitors see it."""
        return cast(AppShape, self._transport.call("PATCH", app_path(app), body={"maintenance": on}).value)

    def destroy_app(self, app: str) -> AppShape:
        return cast(AppShape, self._transport.call("DELETE", app_path(app)).value)

    # Config vars

    def config_vars(self, app: str) -> dict[str, str]:
        return cast(dict[str, str], self._get(app_path(app, "config-vars")))

    def change_config_vars(self, app: str, changes: Mapping[str, str | None]) -> Changed[dict[str, str]]:
        """Set, or unset with None; gives all config vars after it."""
        return changed(self._transport.call("PATCH", app_path(app, "config-vars"), body=dict(changes)))

    # Releases

    def releases(self, app: str, *, limit: int) -> list[ReleaseShape]:
        """The newest `limit` releases, newest first."""
        wanted = {"Range": f"version ..; order=desc,max={limit}"}
        return cast(list[ReleaseShape], self._transport.call("GET", app_path(app, "releases"), headers=wanted).value)

    def release(self, app: str, id_or_number: str) -> ReleaseShape:
        return cast(ReleaseShape, self._get(app_path(app, "releases", id_or_number)))

    def release_config_vars(self, app: str, number: int) -> dict[str, str]:
        return cast(dict[str, str], self._get(app_path(app, "releases", str(number), "config-vars")))

    def rollback(self, app: str, release_id: str) -> Changed[ReleaseShape]:
        return changed(self._transport.call("POST", app_path(app, "releases"), body={"release": release_id}))

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
        session = self._transport.call("POST", app_path(app, "log-sessions"), body=body).value
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        target = request_target(session["logplex_url"])
        return parse_events(self._transport.stream(target, silence_seconds=SILENCE_SECONDS, headers=headers))

    # What Heroku's API lacks, under /-/

    def settings(self, app: str) -> list[SettingShape]:
        return cast(list[SettingShape], self._get(f"/-{app_path(app, 'settings')}")["settings"])

    def set_settings(self, app: str, changes: Mapping[str, str | None]) -> list[SettingShape]:
        """Set, or back to the default with None; gives all settings after it."""
        answer = self._transport.call("PATCH", f"/-{app_path(app, 'settings')}", body=dict(changes))
        return cast(list[SettingShape], answer.value["settings"])

    def disk(self) -> DiskShape:
        """What the data folder takes and what is left, by app; for the operator."""
        return cast(DiskShape, self._get("/-/disk"))

    def audit(self, app: str | None, *, limit: int) -> list[DeedShape]:
        """The newest entries of the audit trail, newest first: of one app, or of the whole server."""
        path = "/-/audit" if app is None else f"/-{app_path(app, 'audit')}"
        return cast(list[DeedShape], self._get(f"{path}?limit={limit}"))

    def app_disk(self, app: str) -> AppDiskShape:
        return cast(AppDiskShape, self._get(f"/-{app_path(app, 'disk')}"))

    def protections(self, app: str) -> list[ProtectionShape]:
        """None of a server that does not know the path yet."""
        try:
            return cast(list[ProtectionShape], self._get(f"/-{app_path(app, 'protections')}"))
        except NotFound:
            return []

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
