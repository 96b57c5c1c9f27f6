"""Runs commands of the client's for people who came over SSH: the very same program, confined, with a token of its own.

It reaches the API and nothing of the data folder; as root it is a user of its own, to whom no file of this machine belongs.
`pushd/cli/over_ssh.py` is what runs: it knows which commands make sense here. It ends with its session, however that ends.
"""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pushd
from pushd.kit import proc
from pushd.kit.aio import Nursery, finish, first, in_thread
from pushd.kit.handed import in_memory, joined
from pushd.kit.ownership import lend
from pushd.kit.spawn import spawn
from pushd.kit.wires import STDERR, Streams, Wires
from pushd.model.secret import Environ
from pushd.model.user import User
from pushd.sandbox.sandbox import Sandbox
from pushd.sandbox.view import Bind, Kind, Limits, View
from pushd.ssh.channel import Channel
from pushd.ssh.command import NotServed

log = logging.getLogger(__name__)

PER_USER = 0.5  # of all that may run at once
_KILL_WITHIN_SECONDS = 10.0
_LIMITS = Limits(scratch_bytes=1 << 20, memory_bytes=256 << 20, processes=64, open_files=256)
_PACKAGE = Path(pushd.__file__).parent
_LIBRARIES = tuple(sorted({Path(each) for each in sys.path if each.endswith(("/site-packages", "/dist-packages"))}))
_UNIX = "unix:"
_WORDS_FD = 8
_TAKE_TERMINAL = ("/bin/sh", "-c", 'exec "$@" <>"$0"')  # the first that the leader of a session opens is its own, setsid(2)


class Programs:
    """At most `at_once` of them, of all users; half of them one user's."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        folder: Path,
        api: str,
        at_once: int,
        user: int | None = None,
        client: Sequence[str] = (sys.executable, "-P", "-m", "pushd.cli.over_ssh"),
    ) -> None:
        """`folder` is empty, and stays so: they run there. `api`: where they reach the API.

        `user`: the uid that they run as, where the sandbox can give them one and that one can read the client.
        `client` is told the number of the descriptor that the words come by, NUL after each: values of config vars are among
        them, and every user of the machine reads command lines.
        """
        self._sandbox = sandbox
        self._user = user if sandbox.way.own_users else None
        self._folder = folder
        self._api = api
        self._at_once = at_once
        self._client = client
        self._running: Counter[UUID] = Counter()

    async def prepare(self) -> None:
        """Make the folder that programs run in, and look whether their user can run them."""
        await in_thread(_make_empty, self._folder)
        if self._user is not None and (why := await in_thread(why_no_user, self._api)):
            log.warning("commands over SSH run as the daemon's user, without capabilities", extra={"why": why})
            self._user = None

    async def run(self, user: User, token: str, words: Sequence[str], channel: Channel) -> int:
        """Run one command on the client's terminal or pipes, with a token for the API; gives its exit status.

        Raises: NotServed when too many run, ConnectionError when the client is gone: the program is, too, then.
        """
        with self._counted(user):
            wires, streams = Wires.open(channel.size, merged=False)
            channel.on_resize = wires.resize
            try:
                try:
                    pid = self._start(self._environ(token, channel), words, streams)
                finally:
                    for descriptor in {streams.stdin, streams.stdout, streams.stderr}:
                        os.close(descriptor)
                return await _follow(pid, wires, channel)
            finally:
                wires.close()

    @contextmanager
    def _counted(self, user: User) -> Iterator[None]:
        most = max(1, int(self._at_once * PER_USER))
        if self._running[user.id] >= most or self._running.total() >= self._at_once:
            raise NotServed(
                f"Too many commands run over SSH: {self._running[user.id]} of yours, {self._running.total()} in all.",
                remedy="End one (a `logs -t` counts too), or install pushd on your machine: its commands need no SSH.",
            )
        self._running[user.id] += 1
        try:
            yield
        finally:
            self._running[user.id] -= 1
            self._running += Counter()  # forgets who has none

    def _environ(self, token: str, channel: Channel) -> Environ:
        variables = {
            "PUSHD_HOST": self._api,
            "PUSHD_API_KEY": token,
            "PUSHD_DATA_DIR": os.devnull,  # no daemon is looked for, nor its token
            "GIT_DIR": os.devnull,  # this folder has no remotes
            "LANG": "C.UTF-8",
            "PYTHONPATH": ":".join(map(str, (_PACKAGE.parent, *_LIBRARIES))),
        }
        return Environ(variables | ({"TERM": channel.term} if channel.size is not None else {}))

    def _start(self, environ: Environ, words: Sequence[str], streams: Streams) -> int:
        socket = (Bind(Path(self._api.removeprefix(_UNIX))),) if self._api.startswith(_UNIX) else ()
        view = View(
            kind=Kind.BUILD,
            root=self._folder,
            environ=environ,
            limits=_LIMITS,
            read_only=(Bind(_PACKAGE, is_found=True), *map(Bind, filter(Path.is_dir, _LIBRARIES)), *socket),
            terminal=streams.terminal,
            interpreters=(Path(sys.executable),),
            user=self._user,
        )
        for stream in {streams.stdin, streams.stdout, streams.stderr}:
            lend(stream, self._user)
        alone = streams.terminal and not self._sandbox.confines  # else the sandbox sees to it
        takes_terminal = [*_TAKE_TERMINAL, os.ttyname(streams.stdin)] if alone else []
        handed = in_memory(joined(words))
        try:
            with self._sandbox.confine(view) as confined:
                return spawn(
                    [*takes_terminal, *confined.argv, *self._client, str(_WORDS_FD)],
                    env=confined.env,
                    stdin=streams.stdin,
                    stdout=streams.stdout,
                    stderr=streams.stderr,
                    fds={**confined.fds, _WORDS_FD: handed},
                    scope=confined.scope,
                )
        finally:
            os.close(handed)


async def _follow(pid: int, wires: Wires, channel: Channel) -> int:
    """Carry bytes both ways until the program has ended; it is killed with all it started when its client goes before that."""
    pidfd = os.pidfd_open(pid)
    try:
        async with Nursery("ssh command") as nursery:
            nursery.start(_notice_end(pidfd, wires), name="end")
            nursery.start(_listen(wires, channel), name="input", expected=ConnectionError)
            if await first(_talk(pidfd, wires, channel), channel.gone()) == 1:
                raise ConnectionResetError("the client has closed the session")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # in the sandbox the whole namespace ends with its leader
        try:
            await finish(proc.readable(pidfd), within=_KILL_WITHIN_SECONDS)
        finally:
            os.close(pidfd)
            status = proc.reap(pid)
    return 1 if status is None else status


async def _notice_end(pidfd: int, wires: Wires) -> None:
    await proc.readable(pidfd)
    wires.finish()


async def _talk(pidfd: int, wires: Wires, channel: Channel) -> None:
    while (found := await wires.read()) is not None:
        stream, data = found
        await channel.write(data, error=stream == STDERR)
    await proc.readable(pidfd)


async def _listen(wires: Wires, channel: Channel) -> None:
    while data := await channel.read():
        await wires.write(data)
    if channel.size is None:  # a terminal stays open, as it does with OpenSSH
        await wires.end_input()


def _make_empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)


def why_no_user(api: str) -> str:
    """What keeps another user from running the client; "" if nothing does. In the sandbox folders above are open."""
    if api.startswith(_UNIX):
        return f"{api} is for the daemon's user and its group alone"
    entered = (Path(sys.executable).resolve(), _PACKAGE, *filter(Path.is_dir, _LIBRARIES))
    needed = {_PACKAGE / "__init__.py": stat.S_IROTH, **dict.fromkeys(entered, stat.S_IROTH | stat.S_IXOTH)}
    closed = [str(path) for path, bits in needed.items() if path.stat().st_mode & bits != bits]
    return f"other users cannot read {', '.join(closed)}" if closed else ""
