"""Tokens in ~/.netrc: read as git and curl read it, written so that everything else in it stays as it is."""

from __future__ import annotations

import os
import re

from pushd.client.server import split_location
from pushd.errors import PushdError

TYPE_CHECKING = False  # git waits for this module: see tokens.py
if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|\S+')


class NetrcTrouble(PushdError):
    """~/.netrc cannot be read or written."""


class Entry:
    """One `machine` (or `default`, whose name is ""), and where its text stands in the file."""

    __slots__ = ("end", "login", "machine", "password", "start")

    def __init__(self, machine: str, login: str, password: str, start: int, end: int) -> None:
        self.machine = machine
        self.login = login
        self.password = password
        self.start = start
        self.end = end

    def __repr__(self) -> str:
        return f"<Entry {self.machine} {self.login}>"


class Netrc:
    """One netrc file, read again for each question; it need not exist."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def maybe_password(self, server: str) -> str | None:
        """The token for a server: of its HOST:PORT entry, else of the HOST one.

        A HOST entry that carries the token of HOST and another port belongs to that port's server, and is not ours.
        """
        entries = list(parse_netrc(self._text()))
        exact, bare = machines_of(server)
        by_name = {entry.machine: entry.password for entry in reversed(entries) if entry.machine}
        if exact in by_name:
            return by_name[exact]
        if exact == bare or any(
            name.startswith(f"{bare}:") and password == by_name.get(bare) for name, password in by_name.items()
        ):
            return None
        return by_name.get(bare)

    def save(self, server: str, *, login: str, token: str) -> None:
        """Keep a token under HOST:PORT (the Heroku CLI reads that one) and HOST (git and curl do). The file becomes 0600."""
        text = self._without(self._text(), set(machines_of(server)))
        if text and not text.endswith("\n"):
            text += "\n"
        if _ends_in_macro(text):
            text += "\n"  # a macro lasts until an empty line
        added = "".join(f"machine {name}\n  login {login}\n  password {token}\n" for name in dict.fromkeys(machines_of(server)))
        head, tail = _split_at_default(text)
        self._write(head + added + tail)

    def remove(self, server: str) -> bool:
        """Forget a server's token; its HOST entry goes only if it holds the same token. False if there was none."""
        text = self._text()
        token = self.maybe_password(server)
        if token is None:
            return False
        names = {
            entry.machine for entry in parse_netrc(text) if entry.machine in machines_of(server) and entry.password == token
        }
        self._write(self._without(text, names))
        return True

    def _without(self, text: str, machines: set[str]) -> str:
        for entry in reversed(list(parse_netrc(text))):
            if entry.machine and entry.machine in machines:
                text = text[: entry.start] + text[entry.end :]
        return text

    def _text(self) -> str:
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise NetrcTrouble(f"Cannot read {self.path}: {error.strerror}.", remedy="Mend its permissions.") from error

    def _write(self, text: str) -> None:
        from pathlib import Path

        from pushd.kit.atomic import write_atomically

        target = Path(self.path).resolve()  # a link into a dotfiles folder stays one
        try:
            write_atomically(target, text.encode(errors="surrogateescape"), mode=0o600)
        except OSError as error:
            raise NetrcTrouble(f"Cannot write {target}: {error.strerror}.", remedy="Mend its permissions.") from error


def machines_of(server: str) -> tuple[str, str]:
    """The names of a server's two entries: ("127.0.0.1:5000", "127.0.0.1"); equal ones if it has its scheme's port."""
    if server.startswith("unix:"):
        return server, server
    location = server.partition("://")[2].partition("/")[0]
    return location, split_location(location)[0].strip("[]")


def parse_netrc(text: str) -> Iterator[Entry]:
    """All entries in order; a word that belongs to none is skipped, and so are macros and comments.

    Shape:   an entry's text ends behind its last word and that word's newline, so comments that follow are not its own.
    Source:  netrc(5) of inetutils; comments and quoted words as curl and CPython read them.
    """
    words = list(_words(text))
    index = 0
    while index < len(words):
        word, start, end = words[index]
        index += 1
        if word not in ("machine", "default"):
            continue
        name = ""
        if word == "machine" and index < len(words):
            name, _, end = words[index]
            index += 1
        found = {"login": "", "password": "", "account": ""}
        while index + 1 < len(words) and words[index][0] in found:
            found[words[index][0]], _, end = words[index + 1]
            index += 2
        if text[end : end + 1] == "\n":
            end += 1
        yield Entry(name, found["login"], found["password"], start, end)


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    position, in_value = 0, False
    while found := _TOKEN.search(text, position):
        raw, start, position = found.group(), *found.span()
        if raw.startswith("#") and not in_value:
            continue
        if in_value and raw.startswith("#"):  # a password may begin with #: it ends at the next blank
            raw = raw.split()[0]
            position = start + len(raw)
        if raw == "macdef" and not in_value:
            gap = text.find("\n\n", position)
            position = len(text) if gap < 0 else gap
            continue
        in_value = not in_value and raw in ("machine", "login", "password", "account")
        if raw.startswith('"') and raw.endswith('"') and len(raw) > 1:
            raw = re.sub(r"\\(.)", r"\1", raw[1:-1])
        yield raw, start, position


def _ends_in_macro(text: str) -> bool:
    return "macdef" in text and "\n\n" not in text[text.rfind("macdef") :]


def _split_at_default(text: str) -> tuple[str, str]:
    """Text before and from the `default` entry, which ends the search: what comes after it is never found."""
    for entry in parse_netrc(text):
        if not entry.machine:
            return text[: entry.start], text[entry.start :]
    return text, ""
