"""The way from a stored commit to `Deploys.push`, for our own repositories and for foreign ones alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pushd.errors import BuildFailed, PushdError
from pushd.kit.transcript import Transcript, complaint
from pushd.model.app import App
from pushd.model.user import User
from pushd.receiver.checkout import CommitSource, Guard
from pushd.receiver.needs import Deploys
from pushd.receiver.progress import short_reason
from pushd.receiver.room import explaining_full_disk

log = logging.getLogger(__name__)

OUR_BUG = "internal error, see the daemon's log"
NOT_LIVE = "This push is not live; nothing has changed for visitors."


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One commit that is to go live: whose, from which branch, and where its objects are now."""

    app: App
    user: User
    commit: str
    branch: str
    objects: Sequence[Path]
    no_cache: bool
    guard: Guard | None = None  # raises when the commit may no longer be deployed


async def try_deploy(deploys: Deploys, wanted: Deployment, transcript: Transcript) -> str:
    """Deploy; "" once the new version is live, else the reason in a few words. The transcript tells the person all of it."""
    try:
        with explaining_full_disk():
            source = await CommitSource.read(wanted.commit, wanted.objects, wanted.guard)
            await deploys.push(
                wanted.app,
                source,
                user=wanted.user,
                branch=wanted.branch,
                no_cache=wanted.no_cache,
                transcript=transcript,
            )
    except PushdError as error:
        told = isinstance(error, BuildFailed) and error.told
        transcript.say(complaint(NOT_LIVE if told else f"{error.text}\n{NOT_LIVE}"))
        return short_reason(error)
    except Exception:
        log.exception("deploy failed", extra={"app": wanted.app.name, "commit": wanted.commit})
        transcript.say(complaint("The deploy failed for a reason of our own; the daemon's log has it."))
        return OUR_BUG
    return ""
