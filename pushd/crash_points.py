"""Every line at which a test or `pushd drill` has the daemon kill itself: its name, and what is half done there.

`kit/crash.py` does it. The setting `crash_at` names the line; a test holds this table and the code to each other.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

CRASH_POINTS: Mapping[str, str] = {
    # A push, from the pack to the ref.
    "push.quarantined": "the pack is in quarantine, checked; nothing is known of the push elsewhere",
    "push.accepted": "the new version is live and its objects are in the repository, the ref has not moved",
    "push.ref-moved": "the ref has moved, the client has not been told",
    "build.recorded": "the build has its record, and nothing else",
    "build.slug-recorded": "the slug is stored, the build names it, there is no release yet",
    "release.of-slug": "the release is stored with its number, the build does not name it yet",
    "release.of-build": "the build names its release, which is pending",
    "release.live": "the new dynos have all traffic, the release is still pending",
    "release.settled": "the release has succeeded, its pages are not shown and its build is still pending",
    "build.settled": "the build has succeeded too, the client has not been told and the ref has not moved",
    # Changes that make a release.
    "config.stored": "the release with the new config vars is stored, nobody follows it",
    "rollback.stored": "the release of the older slug is stored, nobody follows it",
    "release.change-opened": "the change of such a release is stored too, nobody follows it",
    # Changes that boot the release that runs.
    "scale.stored": "the new quantities are stored, nobody follows them",
    "restart.stored": "the restart is counted, nobody follows it",
    "reboot.change-opened": "the change of a scale or a restart is stored, nobody follows it",
    # What concerns an app as a whole.
    "create.stored": "the app is stored, the router does not know it",
    "rename.stored": "the app has its new name, the router knows the old one",
    "maintenance.stored": "the app is in maintenance, the router does not know it",
    "destroy.stored": "the app's row is gone, the router and the dynos are there",
    "destroy.forgotten": "the router has forgotten the app, its dynos run",
    "destroy.stopped": "its dynos have ended, its log and folders are there",
    "destroy.unlogged": "its log is gone, its repository and folders are there",
    "destroy.half-removed": "its repository is gone, the other folders are there",
    # The log: passed often in the life of each dyno that writes; tests/logplex/test_kills.py walks these.
    "log.segment-made": "a new segment's files are there, empty, and nothing says which FIFO fills it",
    "log.segment-taken": "it is known which FIFO fills a segment, nothing has been moved",
    "log.moved": "bytes are in the segment, unseen: they have no stamp",
    "log.stamped": "they have their stamp, and the pipe's next ones wait",
    "log.segment-ended": "a full segment ends with a whole line, its FIFO still counts as the one that fills it",
    "log.segment-left": "the FIFO fills that segment no longer, and no other one yet",
    "log.drop-begun": "the bytes of the oldest segment are gone, its stamps are there",
    "log.said": "a line of the platform's own is in its segment, unseen: it has no stamp",
}


@dataclass(frozen=True, slots=True)
class CrashAt:
    """One of these lines, and which passing of it counts."""

    point: str
    passing: int = 1

    def __str__(self) -> str:
        return self.point if self.passing == 1 else f"{self.point}:{self.passing}"


def parse_crash_at(text: str) -> CrashAt | None:
    """`name` or `name:n`, the n-th passing; "" is None. Raises: ValueError for a name that is not in the table."""
    point, _, number = text.partition(":")
    if not text:
        return None
    if point not in CRASH_POINTS:
        near = difflib.get_close_matches(point, CRASH_POINTS, n=1)
        raise ValueError("it must be the name of a crash point" + (f", such as {near[0]}" if near else ""))
    if number and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ValueError("after the colon it must be a number from 1 on")
    return CrashAt(point, int(number or 1))
