"""The hooks' end of `run/hook.sock`: hands a push that another git server received to the daemon, prints its answer live."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pushd.errors import PushdError
from pushd.kit.listen import short_path
from pushd.layout import Layout
from pushd.settings import default_data_dir


class CannotHandOver(PushdError):
    """The daemon cannot be asked: the repository does not name an app, or nobody answers."""


def hook(kind: str, environ: Mapping[str, str], stdin: TextIO, stdout: TextIO) -> int:
    """Hand over what git writes to a pre-receive or post-receive hook; the exit code for git.

    The repository's git config names the app (`pushd.app`) and, if it is not the default, the daemon's data folder
    (`pushd.data-dir`). Source: githooks(5); quarantine: git-receive-pack(1).
    """
    output = stdout.buffer
    try:
        repository = Path(environ.get("GIT_DIR", ".")).absolute()
        config = _config(repository, environ)
        if not config.get("pushd.app"):
            raise CannotHandOver(
                f"{repository} does not say which app it deploys.", remedy="Run there: git config pushd.app NAME"
            )
        data = Path(config.get("pushd.data-dir") or default_data_dir(environ)).expanduser()
        request = _request(kind, config["pushd.app"], repository, environ, stdin.buffer)
        return _ask(Layout(data).hook_socket, request, output)
    except PushdError as error:
        _print(output, "".join(f" !     {line}\n" for line in error.text.splitlines()))
        return 1


def _request(kind: str, app: str, repository: Path, environ: Mapping[str, str], updates: BinaryIO) -> dict[str, Any]:
    objects = environ.get("GIT_OBJECT_DIRECTORY", "")
    alternates = environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    count = environ.get("GIT_PUSH_OPTION_COUNT", "")
    return {
        "kind": kind,
        "app": app,
        "repository": str(repository),
        "object_directory": os.path.abspath(objects) if objects else "",
        "alternates": [os.path.abspath(folder) for folder in alternates.split(":") if folder],
        "options": [environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(int(count) if count.isdigit() else 0)],
        "updates": [line.decode("utf-8", "surrogateescape").rstrip("\n").split(" ", 2) for line in updates],
    }


def _ask(address: Path, request: Mapping[str, Any], output: BinaryIO) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with short_path(address) as name:
                connection.connect(name)
        except PermissionError:
            raise CannotHandOver(f"This user may not open {address}.", remedy="Push as the daemon's own user.") from None
        except OSError:
            raise CannotHandOver(
                f"No pushd daemon answers at {address}.",
                remedy="Start it (git pushd serve), or name its folder: git config pushd.data-dir FOLDER",
            ) from None
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            return _follow(stream, output)


def _follow(answers: Iterator[bytes], output: BinaryIO) -> int:
    try:
        for line in answers:
            answer = json.loads(line)
            if "exit" in answer:
                return int(answer["exit"])
            _print(output, answer.get("say", ""))
    except (ConnectionError, ValueError):
        pass
    raise CannotHandOver("The daemon ended in the middle of this push.", remedy="Push again once it runs.")


def _config(repository: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings `pushd.*` of a repository's git config, whatever files it is made of."""
    argv = ["git", "--git-dir", str(repository), "config", "--null", "--get-regexp", r"^pushd\."]
    found = subprocess.run(argv, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    entries = found.stdout.decode("utf-8", "surrogateescape").split("\0")
    return {name: value for name, _, value in (entry.partition("\n") for entry in entries) if name}


def _print(output: BinaryIO, text: str) -> None:
    output.write(text.encode("utf-8", "surrogateescape"))
    output.flush()
