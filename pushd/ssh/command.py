"""What a session asks for, read from the one line that SSH carries. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pushd.errors import PushdError

LINE_LIMIT = 131_072  # characters; config vars are 64 KiB at most


class NotServed(PushdError):
    """What this server does not do over SSH; the text says what it does instead."""


@dataclass(frozen=True, slots=True)
class GitService:
    """One of git's services for one app, as it was written."""

    service: str
    app: str


@dataclass(frozen=True, slots=True, repr=False)
class ClientCommand:
    """A command of the client's: what would stand behind `pushd`. It may hold values of config vars."""

    words: tuple[str, ...]


def parse_command(line: str) -> GitService | ClientCommand:
    """What the person wrote behind the host, quoted for a shell as SSH has it. Raises: NotServed."""
    if len(line) > LINE_LIMIT or "\0" in line:
        raise NotServed("This command line is too long, or no text.", remedy="Send less at once.")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise NotServed(
            f"This command line cannot be read: {error}.",
            remedy="Two shells read it, yours and ours: put quotes into quotes, as in 'config:set \"A=b c\"'.",
        ) from error
    if words[:1] == ["git"]:
        words = [f"git-{words[1]}", *words[2:]] if len(words) > 1 else ["git-"]
    if not words:
        raise no_shell()
    if words[0] in ("git-receive-pack", "git-upload-pack") and len(words) == 2:
        return GitService(words[0], _app_in(words[1]))
    if words[0].startswith("git-"):
        raise NotServed("This server does not do that for git over SSH.", remedy="It takes pushes, clones and fetches.")
    if words[0].rpartition("/")[2] in ("scp", "rsync", "sftp-server"):
        raise no_files()
    return ClientCommand(tuple(words))


def no_shell() -> NotServed:
    """For who wants a shell."""
    return NotServed(
        "There is no shell here.",
        remedy="Push with git, or add a command: `ssh ... logs -t --app myapp`. `ssh ... help` lists them.",
    )


def no_files() -> NotServed:
    """For who wants to copy files."""
    return NotServed(
        "No files are copied here: there is no sftp and no scp.",
        remedy="Push code with git; `run` moves data through pipes: `ssh ... run --app myapp 'cat > /storage/file' < file`.",
    )


def _app_in(path: str) -> str:
    """ "/myapp.git", "myapp.git", "~/myapp": the name; what cannot be one is no app's either."""
    return path.removeprefix("~").strip("/")
