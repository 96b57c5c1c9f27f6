"""Every line at which a test or `pushd drill` has the daemon kill itself: its name, and what is half done there.

`kit/crash.py` does it. The setting `crash_at` names the line; a test holds this table and the code to each other.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CRASH_POINTS: Mapping[str, str] = {
    # A push, until its build begins.
    "repository.half-made": "the app's first push: the repository is made under another name",
    "push.opened": "the push has its quarantine and its output file, its pack has not been read",
    "push.quarantined": "the pack is in quarantine and checked, nothing else knows of the push",
    "build.recorded": "the build has its record, and nothing else",
    # A build.
    "workshop.opened": "the build's folder is there and empty",
    "workshop.checked-out": "the source lies in the build's folder",
    "workshop.furnished": "config vars lie in the build's folder, for the buildpacks that are about to run",
    "workshop.compiling": "a buildpack is at work",
    "workshop.compiled": "the buildpacks are done, nothing is on the shelf",
    "slug.shelved": "a slug's files are on the shelf, no record names them, or the one that does awaits them still",
    "slug.stored": "the slug is stored, its build does not name it",
    "build.slug-recorded": "the build names its slug, there is no release",
    "build.failing": "the build has failed or was cancelled, its record says that it goes on",
    # A release of a slug, from its number to live traffic.
    "release.of-slug": "the release has its number, the build does not name it",
    "release.of-build": "the build names its release, which waits to boot",
    "phase.ended": "the release command has ended, nothing says how",
    "phase.passed": "the release phase has passed, nothing is booted",
    "release.failing": "the release did not come up, its record says that it is pending",
    "release.failed": "the release has failed, its build is pending",
    "release.booted": "the new dynos are ready, visitors get the old ones",
    "release.switched": "visitors get the new dynos, the release is pending",
    "release.moved": "the release has succeeded, the app does not know when",
    "release.settled": "the release has succeeded, the old dynos run, its build is pending",
    "release.retiring": "the old dynos leave, its build is pending",
    "build.settled": "the build has succeeded, the ref has not moved",
    "push.half-accepted": "the pack is in the repository without its index, the ref has not moved",
    "push.accepted": "the pack is in the repository, the ref has not moved",
    "push.ref-moved": "the ref has moved, the client has not been told",
    # Changes that make a release, and changes that boot the one that runs.
    "config.stored": "the release with the new config vars is stored, nobody follows it",
    "rollback.stored": "the release of the older slug is stored, nobody follows it",
    "release.change-opened": "the change of such a release is stored too, nobody follows it",
    "release.overtaken": "a release that waited gave way to a newer one",
    "release.replaced": "a release whose slug failed gave way to one with the slug that runs, which waits to boot",
    "scale.stored": "the new quantities are stored, nobody follows them",
    "resources.stored": "the new limits of a process type are stored, nobody follows them",
    "restart.stored": "the restart is counted, nobody follows it",
    "reboot.change-opened": "the change of a scale or a restart is stored, nobody follows it",
    "change.followed": "the dynos have followed a change, it is pending",
    # What concerns an app as a whole, and what it has beside its releases.
    "create.stored": "the app is stored, the router does not know it",
    "rename.stored": "the app has its new name, the router knows the old one",
    "maintenance.stored": "the app is in maintenance, or no longer, and the router does not know",
    "settings.stored": "the app's settings are stored, log and router go by the old ones",
    "domain.added": "the domain is stored, the router does not know it",
    "domain.bound": "the domain has its certificate, the router does not know",
    "domain.removed": "the domain is gone, the router knows it",
    "certificate.updated": "the certificate is stored, the router has the old one",
    "certificate.removed": "the certificate is gone, the router has it",
    "destroy.stored": "the app's record is gone, the router knows it and its dynos run",
    "destroy.forgotten": "the router has forgotten the app, its dynos run",
    "destroy.stopped": "its dynos have ended, its log and its folders are there",
    "destroy.unlogged": "its log is gone, its folders are there",
    "repository.set-aside": "its repository has another name and is not removed",
    "destroy.half-removed": "its repository is gone, the other folders are there",
    "destroy.removed": "all its folders are gone, its uid is still kept for it",
    # The log: passed often in the life of each dyno that writes; tests/logplex/test_kills.py walks these.
    "log.segment-made": "a new segment's files are there, empty, and nothing says which FIFO fills it",
    "log.segment-taken": "it is known which FIFO fills a segment, nothing has been moved",
    "log.moved": "bytes are in the segment, unseen: they have no stamp",
    "log.stamped": "they have their stamp, and the pipe's next ones wait",
    "log.segment-ended": "a full segment ends with a whole line, its FIFO still counts as the one that fills it",
    "log.segment-left": "the FIFO fills that segment no longer, and no other one yet",
    "log.drop-begun": "the bytes of the oldest segment are gone, its stamps are there",
    "log.said": "a line of the platform's own is in its segment, unseen: it has no stamp",
    # Archives, slugs made elsewhere, promotions.
    "upload.written": "an archive has come, under a name that nobody looks for",
    "upload.kept": "the archive has its name, the client has not been told",
    "source.recorded": "the build of an archive has its record, nobody builds",
    "promotion.stored": "the promotion is stored, nobody carries it out",
    "slug.environment-copied": "the environment is copied, under a name that nobody looks for",
    "slug.adopted": "slug and environment are copied, no record names them",
    "promotion.adopted": "the copied slug is stored, the promotion does not name it",
    "promotion.slug-noted": "the promotion names the slug, there is no release",
    "promotion.released": "the release is stored, the promotion does not name it",
    # One dyno, from its start to its end.
    "dyno.spawned": "the program runs, no record names it",
    "dyno.recorded": "the program runs and is recorded, it is not up",
    "dyno.up": "the program answers, nothing says so",
    "dyno.leaving": "it is recorded that a one-off dyno is to end, it has not been told",
    "dyno.exited": "the program has ended, its record says that it runs",
    "dyno.read": "its output is read to the end, its folder and its record are there",
    "dyno.released": "its folder is gone, its record is there",
    # The start of the next daemon, which may be killed too.
    "start.release-failed": "the release of a build that died has failed, the build is pending",
    "start.build-failed": "that build has failed, others are to be looked at",
    "start.dynos-found": "the dynos of the last daemon are found, none is adopted",
    "start.dynos-adopted": "an app's dynos are adopted, those that nobody owns have been ended, the others are not in traffic",
    "start.announced": "the router has its table, nothing boots",
    "start.resumed": "an app boots what it misses, its changes are pending",
    "start.overtaken": "one of several releases that waited gave way to the newest",
    "key.sealing": "some of what is encrypted is sealed with the new key, inside a transaction; the old one is in use",
    "key.sealed": "all is sealed with the new key, whose file has not taken the place of the old one",
    # What is forgotten after a deploy.
    "retention.slug-forgotten": "a slug's record is gone, its files are there",
    "retention.slug-set-aside": "a slug's files have left the shelf and are not removed",
    "retention.builds-forgotten": "records of old builds are gone, their output is there",
}


@dataclass(frozen=True, slots=True)
class CrashAt:
    """One of these lines, and which passing of it counts; or a file that names one whenever it is there."""

    point: str = ""
    passing: int = 1
    note: Path | None = None

    def __str__(self) -> str:
        if self.note is not None:
            return f"@{self.note}"
        return self.point if self.passing == 1 else f"{self.point}:{self.passing}"


def parse_crash_at(text: str) -> CrashAt | None:
    """`name`; `name:n`, the n-th passing; `@/file`; "" is None. Raises: ValueError for a name that is not in the table."""
    if not text:
        return None
    if text.startswith("@/"):
        return CrashAt(note=Path(text[1:]))
    point, _, number = text.partition(":")
    if point not in CRASH_POINTS:
        near = difflib.get_close_matches(point, CRASH_POINTS, n=1)
        raise ValueError("it must be the name of a crash point" + (f", such as {near[0]}" if near else ""))
    if number and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ValueError("after the colon it must be a number from 1 on")
    return CrashAt(point, int(number or 1))
