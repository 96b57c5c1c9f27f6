"""Which user listened on each dyno's port when the runner had just looked: the router compares with that while it serves.

It is asked for where apps have no users of their own, and for dynos of a daemon that gave them none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pushd.kit.sockdiag import SockDiag
from pushd.model.routing import Target


class Seen:
    """Asks once for each dyno, for later somebody else might listen there."""

    def __init__(self) -> None:
        self._kernel = SockDiag()
        self._found: dict[str, int] = {}  # uids, by dyno id

    def note(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """The targets with what was seen; call it right after they were found to be dynos that listen."""
        return tuple(map(self._noted, targets))

    def keep_only(self, dyno_ids: Collection[str]) -> None:
        """Forget all others."""
        self._found = {dyno_id: uid for dyno_id, uid in self._found.items() if dyno_id in dyno_ids}

    def close(self) -> None:
        """See nothing any more."""
        self._kernel.close()

    def _noted(self, target: Target) -> Target:
        if target.uid is not None or not target.life:  # known, or not on this machine
            return target
        if target.dyno_id not in self._found:
            uid = self._kernel.maybe_uid(target.port)
            if uid is None:
                return target
            self._found[target.dyno_id] = uid
        return replace(target, uid=self._found[target.dyno_id])
