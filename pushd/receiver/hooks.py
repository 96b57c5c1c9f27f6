"""Pushes that another git server received: its hook hands them over through `run/hook.sock` and prints our answer live.

One line of JSON comes in (HookPush says what is in it), lines of JSON go out: {"say": text} any number of times, then
{"exit": code}. Text keeps bytes that are not UTF-8 as surrogates. `pushd/cli/hook.py` is the other end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushd.access.actions import Action
from pushd.errors import BadRequest, Forbidden, PushdError
from pushd.kit.aio import in_thread
from pushd.kit.listen import bind
from pushd.kit.transcript import Transcript, complaint
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.receiver import policy
from pushd.receiver.commands import Command
from pushd.receiver.deploying import OUR_BUG, Deployment, try_deploy
from pushd.receiver.needs import Users
from pushd.receiver.objects import open_store
from pushd.receiver.policy import PushOptions, Verdict
from pushd.receiver.push import find_rewrites
from pushd.receiver.receiver import Receiver, open_transcript, told_in_audit

log = logging.getLogger(__name__)

PRE, POST = "pre-receive", "post-receive"
REQUEST_LIMIT_BYTES = 16_000_000
REQUEST_SECONDS = 30.0
_ID = re.compile(r"[0-9a-f]{40}")
_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)


class SocketTaken(PushdError):
    """The hooks' socket cannot be made; `serve` ends."""

    id, status = "cannot_listen", 500


class CannotGiveAway(PushdError):
    """The hooks' socket cannot be given to the group that the settings name; `serve` ends."""

    id, status = "cannot_give_away", 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPush:
    """What a hook hands over; objects are still in git's quarantine when the kind is pre-receive."""

    kind: str
    app: str  # pushd.app of the repository's git config
    repository: Path
    objects: tuple[Path, ...]  # quarantine first, then what it builds on
    options: tuple[str, ...]
    commands: tuple[Command, ...]


class HookServer:
    """Listens on `run/hook.sock` between `start` and `close`; the deploys that it began go on after that."""

    def __init__(self, *, layout: Layout, receiver: Receiver, users: Users, group: str = "") -> None:
        """`group`: whose users may connect too; by default the daemon's own."""
        self._layout = layout
        self._group = group
        self._receiver = receiver
        self._users = users
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises: SocketTaken; CannotGiveAway."""
        path = self._layout.hook_socket
        try:
            listening = bind(f"unix:{path}", unix_mode=0o660)
        except OSError as error:
            raise SocketTaken(
                f"cannot listen on {path}: {error.strerror or error}",
                remedy="Stop what listens there, or remove what is there, then start again.",
            ) from error
        try:
            if self._group:
                shutil.chown(self._layout.hook_socket, group=self._group)
        except (OSError, LookupError) as error:
            listening.close()
            raise CannotGiveAway(
                f"cannot open {self._layout.hook_socket} to the group {self._group}: {error}",
                remedy="Run the daemon as root or as a member of that group, or give another with --hook-group.",
            ) from error
        self._server = await asyncio.start_unix_server(self._on_connect, sock=listening, limit=REQUEST_LIMIT_BYTES)

    async def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
            self._layout.hook_socket.unlink(missing_ok=True)
            self._server = None

    async def __aenter__(self) -> HookServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver.nursery.start(self._serve(reader, writer), name="hook")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                await self._answer(reader, writer)
            except PushdError as error:
                await _send(writer, say=f"{complaint(error.text)}\n")
                await _send(writer, exit=1)
        except ConnectionError:
            log.info("hook is gone, what it began goes on")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        push = parse_hook_push(await _read_line(reader), peer_uid=_peer_uid(writer), our_uid=os.geteuid())
        app = await self._receiver.apps.find(push.app)
        self._receiver.access.check(await self._users.operator(), Action.PUSH, app)
        settings = await self._receiver.app_settings.of(app)
        options = policy.parse_options(push.options)
        transcript = open_transcript(self._layout, app)
        work = self._receiver.nursery.start(
            self._carry_out(push, app, settings, options, transcript), name=f"{push.kind} of {app.name}"
        )
        try:
            async with aclosing(transcript.follow()) as output:
                async for data in output:
                    await _send(writer, say=data.decode("utf-8", "surrogateescape"))
            await asyncio.wait({work})
            await _send(writer, exit=1 if work.cancelled() else work.result())
        finally:
            work.add_done_callback(lambda _: transcript.path.unlink(missing_ok=True))

    async def _carry_out(
        self, push: HookPush, app: App, settings: AppSettings, options: PushOptions, transcript: Transcript
    ) -> int:
        """Deploy what deploys; the hook's exit code. A pre-receive hook that refuses one ref refuses the whole push."""
        try:
            action, user = f"git push by the {push.kind} hook", await self._users.operator()
            entry = await self._receiver.audit.begin(user, action=action, source=str(push.repository), app=app)
            try:
                code = await self._judge_and_deploy(push, app, settings, options, transcript)
            except Exception as error:
                await self._receiver.note(entry, push.commands, told_in_audit(error))
                raise
            await self._receiver.note(entry, push.commands, "see the output of the push" if code else "")
            return code
        except PushdError as error:
            transcript.say(complaint(error.text))
            return 1
        except Exception:
            log.exception("hook failed", extra={"app": app.name})
            transcript.say(complaint(OUR_BUG))
            return 1
        finally:
            transcript.close()

    async def _judge_and_deploy(
        self, push: HookPush, app: App, settings: AppSettings, options: PushOptions, transcript: Transcript
    ) -> int:
        verdicts = await in_thread(_judge, push, settings, options)
        for verdict in verdicts:
            if verdict.refusal:
                transcript.say(complaint(f"{verdict.command.ref}: {verdict.refusal}"))
        failed = any(verdict.refusal for verdict in verdicts)
        if failed and push.kind == PRE:
            return 1
        for verdict in verdicts:
            failed |= not (verdict.refusal or await self._deploy(verdict, push, app, settings, options, transcript))
        return int(failed)

    async def _deploy(
        self,
        verdict: Verdict,
        push: HookPush,
        app: App,
        settings: AppSettings,
        options: PushOptions,
        transcript: Transcript,
    ) -> bool:
        command = verdict.command
        if not verdict.deploys:
            if not command.is_delete:
                transcript.say(policy.how_to_deploy(command, settings, head=""))
            return True
        wanted = Deployment(
            app=app,
            user=await self._users.operator(),
            commit=command.new,
            branch=str(command.branch),
            objects=push.objects,
            no_cache=options.no_cache,
        )
        return not await try_deploy(self._receiver.deploys, wanted, transcript)


def parse_hook_push(line: bytes, *, peer_uid: int, our_uid: int) -> HookPush:
    """What a hook asks for.

    Raises: BadRequest for what no hook of ours sends; Forbidden unless root, the daemon's own user or the repository's owner
    asks.
    """
    try:
        raw: Mapping[str, Any] = json.loads(line)
        repository = _path(raw["repository"])
        owner = repository.stat().st_uid
        push = HookPush(
            kind=_one_of(raw["kind"], (PRE, POST)),
            app=_text(raw["app"]),
            repository=repository,
            objects=_objects(raw, repository, trusted=peer_uid in (0, our_uid)),
            options=tuple(_text(option) for option in raw["options"]),
            commands=tuple(_command(update) for update in raw["updates"]),
        )
    except OSError as error:
        raise BadRequest(f"The daemon cannot read the repository: {error}.", remedy=_READABLE) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest("This is no request of a hook.", remedy="Give hook and daemon the same version of pushd.") from error
    if peer_uid not in (0, our_uid, owner):
        raise Forbidden(
            f"User {peer_uid} may not deploy from {repository}.", remedy="Run the hook as the repository's owner or as root."
        )
    if not os.access(repository / "objects", os.R_OK | os.X_OK):
        raise BadRequest(f"The daemon cannot read {repository}.", remedy=_READABLE)
    return push


def _judge(push: HookPush, settings: AppSettings, options: PushOptions) -> list[Verdict]:
    """Blocks."""
    rewrites: set[str] = set()
    if push.kind == PRE and settings["force-push"] == "refuse":
        with open_store(*push.objects) as store:
            rewrites = find_rewrites(push.commands, store)
    return policy.plan_push(push.commands, settings, options, head="", rewrites=rewrites)


def _objects(raw: Mapping[str, Any], repository: Path, *, trusted: bool) -> tuple[Path, ...]:
    """Where the objects are: git's quarantine if there is one, the alternates, the repository's own; each once.

    Others than root and ourselves may name folders of that repository only.
    """
    named = [raw["object_directory"], *raw["alternates"]]
    found = [_path(text) for text in named if text] + [repository / "objects"]
    if not trusted:
        found = [folder for folder in found if folder.resolve().is_relative_to(repository.resolve())]
    return tuple(dict.fromkeys(found))


def _path(text: object) -> Path:
    path = Path(_text(text))
    if not path.is_absolute():
        raise ValueError("a path must be absolute")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text")
    return value


def _one_of(value: object, words: Sequence[str]) -> str:
    if value not in words:
        raise ValueError(f"not one of {words}")
    return str(value)


def _command(update: Sequence[object]) -> Command:
    old, new, ref = (_text(each) for each in update)
    if not (_ID.fullmatch(old) and _ID.fullmatch(new)):
        raise ValueError("not an id of 40 hex digits")
    return Command(ref, old, new)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await reader.readline()
    except (TimeoutError, ValueError):
        raise BadRequest("The hook's request is too long, or did not come.", remedy="Push fewer refs at a time.") from None


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    connection: socket.socket = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(credentials)[1])


async def _send(writer: asyncio.StreamWriter, **what: str | int) -> None:
    writer.write(json.dumps(what).encode() + b"\n")
    await writer.drain()


_READABLE = "Run the daemon as root or as the repository's owner, or let its user read the repository."
