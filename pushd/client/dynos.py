"""Calls about dynos: which are wanted, which run, one-off ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pushd.client.calls import Calls, app_path, changed
from pushd.client.shapes import Changed, DynoShape, FormationShape, FormationUpdate, ResourcesShape, Wanted


class DynoCalls(Calls):
    """Part of `Client`."""

    def formation(self, app: str) -> list[FormationShape]:
        return cast(list[FormationShape], self._list(app_path(app, "formation")))

    def scale(self, app: str, updates: Sequence[FormationUpdate]) -> Changed[list[FormationShape]]:
        """Gives the whole formation after it."""
        return changed(self._transport.call("PATCH", app_path(app, "formation"), body={"updates": list(updates)}))

    def resources(self, app: str) -> list[ResourcesShape]:
        """What dynos of each process type, and builds, may take."""
        return cast(list[ResourcesShape], self._get(f"/-{app_path(app, 'resources')}"))

    def set_resources(self, app: str, kind: str, changes: Mapping[str, str | None]) -> Changed[list[ResourcesShape]]:
        """Set, or unset with None; gives all rows after it."""
        return changed(self._transport.call("PATCH", f"/-{app_path(app, 'resources', kind)}", body=dict(changes)))

    def dynos(self, app: str) -> list[DynoShape]:
        return cast(list[DynoShape], self._list(app_path(app, "dynos")))

    def restart(self, app: str, *, dyno: str | None = None, kind: str | None = None) -> Changed[object]:
        """One dyno ("web.1"), those of a process type, or all."""
        return changed(self._transport.call("DELETE", _which(app, dyno, kind)))

    def stop(self, app: str, *, dyno: str | None = None, kind: str | None = None) -> Changed[object]:
        """One dyno ("run.7"), or those of a process type."""
        return changed(self._transport.call("POST", f"{_which(app, dyno, kind)}/actions/stop"))

    def run_dyno(self, app: str, wanted: Wanted) -> DynoShape:
        """A command in a dyno of its own; detached it runs already, attached it waits at `attach_url`."""
        return cast(DynoShape, self._send("POST", app_path(app, "dynos"), wanted))

    def run_inside(self, app: str, dyno: str, wanted: Wanted) -> DynoShape:
        """A command in a dyno that runs; it waits at `attach_url`."""
        return cast(DynoShape, self._send("POST", app_path(app, "dynos", dyno), wanted))


def _which(app: str, dyno: str | None, kind: str | None) -> str:
    if kind is not None:
        return app_path(app, "formations", kind)
    return app_path(app, "dynos") if dyno is None else app_path(app, "dynos", dyno)
