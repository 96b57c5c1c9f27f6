"""Buildpacks from elsewhere: fetched afresh for each build, a git repository into a copy that is kept per app.

The copies lie where no build can write: git believes what a repository's own config says.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urldefrag, urlsplit
from uuid import UUID

from pushd.errors import BuildFailed
from pushd.kit import proc
from pushd.kit.aio import in_stoppable_thread, in_thread
from pushd.kit.archive import BadArchive, lift_single_folder, unpack
from pushd.kit.download import download
from pushd.kit.fetch import CannotFetch
from pushd.kit.reach import OutOfReach, Reach
from pushd.kit.remove import remove_tree
from pushd.layout import Layout
from pushd.model.buildpack import shown

log = logging.getLogger(__name__)

LIMIT_BYTES = 500 << 20
_STOP_SECONDS = 30.0
_BLOCK_BYTES = 1024  # of the shell's `ulimit -f`
_ARCHIVES = (".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar", ".zip")
_LIMITED = f'ulimit -f {LIMIT_BYTES // _BLOCK_BYTES} && exec "$@"'
_REASON = re.compile(r"(?:fatal|error|remote): *(?:error: *)?(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Gets buildpacks over http and https, from hosts within `reach`."""

    layout: Layout
    reach: Reach
    git: str | None  # the program; None where there is none
    environ: Mapping[str, str]  # what of the daemon's environment builds may see
    within_seconds: float  # for each step

    async def fetch(self, app_id: UUID, url: str, into: Path) -> None:
        """Put a buildpack's files into a new folder. Raises: BuildFailed with the reason, without a log-in of the URL."""
        await in_thread(partial(into.mkdir, parents=True))
        address, branch = urldefrag(url)
        archive = into.with_suffix(".fetched")
        try:
            if urlsplit(address).path.endswith(_ARCHIVES):
                await download(address, archive, limit_bytes=LIMIT_BYTES, within=self.within_seconds, reach=self.reach)
            else:
                await self._fetch_by_git(app_id, address, branch, archive)
            await in_stoppable_thread(partial(unpack, archive, into, limit_bytes=2 * LIMIT_BYTES), within=_STOP_SECONDS)
            if not (into / "bin").is_dir():
                await in_thread(lift_single_folder, into)
        except (CannotFetch, BadArchive, proc.RanTooLong) as error:
            raise self._failed(url, str(error)) from error
        finally:
            archive.unlink(missing_ok=True)
        for name in ("detect", "compile"):
            if not (into / "bin" / name).is_file():
                raise self._failed(url, f"it is no buildpack: it has no bin/{name}")

    async def _fetch_by_git(self, app_id: UUID, address: str, branch: str, archive: Path) -> None:
        if self.git is None:
            raise CannotFetch("the git program is not installed on this server; give the address of a .tgz")
        copy = self.layout.buildpacks(app_id) / hashlib.sha256(address.encode()).hexdigest()[:32]
        pinned = await self._pinned(address)
        for is_last in (False, True):
            try:
                if not (copy / "HEAD").is_file():
                    await self._git(["init", "-q", "--bare", "--template=", str(copy)])
                await self._git(
                    ["--git-dir", str(copy), "fetch", "-q", "--depth=1", "--no-tags", "pushd", branch or "HEAD"],
                    {"remote.pushd.url": address, "http.curloptResolve": pinned},
                )
                await self._git(["--git-dir", str(copy), "archive", "--format=tar", "-o", str(archive), "FETCH_HEAD"])
                return
            except CannotFetch:  # it may be our copy that is broken: once more from nothing
                await in_thread(partial(archive.unlink, missing_ok=True))
                await in_thread(remove_tree, copy)
                if is_last:
                    raise

    async def _pinned(self, address: str) -> str:
        """For git to connect to the address that was judged, whatever the name means a moment later."""
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await self.reach.addresses(host, port)
        except OutOfReach as error:
            raise CannotFetch(f"{error}, and such are fetched from only if the operator lists them") from None
        except OSError:
            raise CannotFetch(f"the host {host} is not known") from None
        return f"{host}:{port}:{','.join(f'[{each}]' if ':' in each else each for each in found)}"

    async def _git(self, words: Sequence[str], config: Mapping[str, str] | None = None) -> None:
        """Run git, which sees no config but ours; an address may hold a log-in and is in no argv. Raises: CannotFetch."""
        assert self.git is not None
        settings = {
            "http.followRedirects": "false",  # where it leads to has not been judged
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "30",
            "gc.auto": "0",
            **(config or {}),
        }
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "http:https",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (name, value) in enumerate(settings.items()):
            environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        if bundle := self.environ.get("SSL_CERT_FILE"):
            environ["GIT_SSL_CAINFO"] = bundle
        said = bytearray()
        argv = ["/bin/sh", "-c", _LIMITED, "sh", self.git, *words]
        if await proc.run(argv, env=environ, on_output=said.extend, within=self.within_seconds) != 0:
            raise CannotFetch(_reason(bytes(said)))

    @staticmethod
    def _failed(url: str, reason: str) -> BuildFailed:
        return BuildFailed(
            f"cannot fetch the buildpack {shown(url)}: {shown_text(reason)}",
            remedy="Check its address with `pushd buildpacks`; nothing was changed.",
        )


def shown_text(text: str) -> str:
    """What git says, without the log-in of an address that it repeats."""
    return re.sub(r"(?<=://)[^\s/@]+@", "", text)


def _reason(output: bytes) -> str:
    """The words of git's that tell most: its first complaint."""
    text = output[:10_000].decode("utf-8", "replace")
    with suppress(StopIteration):
        return next(match[1].strip() for line in text.splitlines() if (match := _REASON.match(line)))
    return "git could not fetch it"
